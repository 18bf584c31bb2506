import { useDisclosure } from "@mantine/hooks";
import { Pencil, Trash2, UserPlus, Users } from "lucide-react";
import type { Group } from "@/lib/api";
import { plural } from "@/lib/format";
import { confirm, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { limitWords } from "@/ui/Limits";
import { useDeleteGroup } from "../api/useDeleteGroup";
import { useUpdateGroup } from "../api/useUpdateGroup";
import { GroupDialog } from "./GroupDialog";
import { MembersDialog } from "./MembersDialog";

/** One group: how many are in it and what it may use. */
export function GroupRow({ group }: { group: Group }) {
  const [isEditing, editing] = useDisclosure(false);
  const [isShowing, showing] = useDisclosure(false);
  const update = useUpdateGroup();
  const remove = useDeleteGroup();
  const limits = limitWords(group.limits);

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${group.name}?`,
      body: "Keys that are charged to it are revoked. The people in it, and what they made, are kept.",
      confirmLabel: "Delete group",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(group.id, {
      onSuccess: () => {
        notifyDone(`Deleted ${group.name}.`);
        focusContent();
      },
      onError: (error) => notifyError(`${group.name} was not deleted`, error),
    });
  };

  return (
    <li className="flex items-center gap-3 border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <span className="grid size-9 shrink-0 place-items-center rounded-full bg-accent-soft text-accent-ink" aria-hidden>
        <Users size={16} />
      </span>
      <div className="min-w-0 flex-1">
        <p className="text-sm font-medium [overflow-wrap:anywhere]">{group.name}</p>
        <p className="mt-0.5 text-xs text-ink-faint [overflow-wrap:anywhere]">
          {group.members === 0 ? "nobody in it" : plural(group.members, "person", "people")} ·{" "}
          {limits.length > 0 ? limits.join(" · ") : "no limits"}
        </p>
      </div>
      <ActionsMenu
        label={`Actions for ${group.name}`}
        isBusy={remove.isPending}
        actions={[
          { label: "Members", Icon: UserPlus, run: showing.open },
          { label: "Name and limits", Icon: Pencil, run: editing.open },
          { label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() },
        ]}
      />
      <MembersDialog group={group} opened={isShowing} onClose={showing.close} />
      <GroupDialog
        opened={isEditing}
        group={group}
        onClose={editing.close}
        onSubmit={async (body) => {
          await update.mutateAsync({ id: group.id, change: body });
          notifyDone(`Saved ${body.name}.`);
        }}
      />
    </li>
  );
}
