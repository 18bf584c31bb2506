import { Badge } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Ban, Gauge, KeyRound, Pencil, Trash2, UserCheck } from "lucide-react";
import type { User, UserUpdate } from "@/lib/api";
import { confirm, notifyDone, notifyError, RelativeTime } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { LimitsDialog, limitWords } from "@/ui/Limits";
import { useDeleteUser } from "../api/useDeleteUser";
import { useUpdateUser } from "../api/useUpdateUser";
import { EditUserDialog } from "./EditUserDialog";
import { ResetPasswordDialog } from "./ResetPasswordDialog";
import { SubjectStanding } from "./SubjectStanding";

/** One account, and what can be done with it. Nobody can shut themselves out from here. */
export function UserRow({ user, isMe }: { user: User; isMe: boolean }) {
  const [isEditing, editing] = useDisclosure(false);
  const [isLimiting, limiting] = useDisclosure(false);
  const [isResetting, resetting] = useDisclosure(false);
  const update = useUpdateUser();
  const remove = useDeleteUser();

  const limits = limitWords(user.limits);

  const change = (part: UserUpdate, done: string) =>
    update.mutate(
      { id: user.id, change: part },
      { onSuccess: () => notifyDone(done), onError: (error) => notifyError(`${user.name} was not changed`, error) },
    );
  const askToDisable = async () => {
    const isSure = await confirm({
      title: `Disable ${user.name}?`,
      body: "They are signed out everywhere and their keys stop working. Everything they made is kept, and you can enable them again.",
      confirmLabel: "Disable",
      isDangerous: true,
    });
    if (isSure) change({ disabled: true }, `${user.name} is disabled.`);
  };
  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${user.name}?`,
      body: "Their account, chats, collections with all documents, and keys are deleted. This cannot be undone. To only shut them out, disable them.",
      confirmLabel: "Delete user",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(user.id, {
      onSuccess: () => {
        notifyDone(`Deleted ${user.name}.`);
        focusContent();
      },
      onError: (error) => notifyError(`${user.name} was not deleted`, error),
    });
  };

  return (
    <li className="flex items-center gap-3 border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <span
        className="grid size-9 shrink-0 place-items-center rounded-full bg-accent-soft text-sm font-semibold text-accent-ink uppercase"
        aria-hidden
      >
        {user.name.slice(0, 1) || "?"}
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
          <span className={`[overflow-wrap:anywhere] ${user.disabled ? "text-ink-faint" : ""}`}>
            {user.name}
            {isMe ? <span className="font-normal text-ink-faint"> (you)</span> : null}
          </span>
          {user.role === "admin" ? <Badge component="span" size="sm">Administrator</Badge> : null}
          {user.disabled ? (
            <Badge component="span" size="sm" color="gray">
              Disabled
            </Badge>
          ) : null}
        </p>
        <p className="mt-0.5 text-xs text-ink-faint [overflow-wrap:anywhere]">
          {user.email} ·{" "}
          {user.last_seen_at ? (
            <>
              last seen <RelativeTime at={user.last_seen_at} />
            </>
          ) : (
            "never signed in"
          )}
        </p>
        {limits.length > 0 ? <p className="mt-0.5 text-xs text-ink-soft [overflow-wrap:anywhere]">{limits.join(" · ")}</p> : null}
      </div>
      <ActionsMenu
        label={`Actions for ${user.name}`}
        isBusy={update.isPending || remove.isPending}
        actions={[
          { label: "Name and role", Icon: Pencil, run: editing.open },
          { label: "Limits", Icon: Gauge, run: limiting.open },
          { label: "Reset password", Icon: KeyRound, isDisabled: isMe, run: resetting.open },
          user.disabled
            ? { label: "Enable", Icon: UserCheck, run: () => change({ disabled: false }, `${user.name} can sign in again.`) }
            : { label: "Disable", Icon: Ban, isDisabled: isMe, run: () => void askToDisable() },
          { label: "Delete", Icon: Trash2, isDangerous: true, isDisabled: isMe, run: () => void askToDelete() },
        ]}
      />
      <EditUserDialog user={user} isMe={isMe} opened={isEditing} onClose={editing.close} />
      <LimitsDialog
        opened={isLimiting}
        onClose={limiting.close}
        title={`Limits of ${user.name}`}
        limits={user.limits}
        above={user.limits === null ? null : <SubjectStanding subject={`user:${user.id}`} />}
        onSubmit={async (next) => {
          await update.mutateAsync({ id: user.id, change: { limits: next } });
          notifyDone(`Saved the limits of ${user.name}.`);
        }}
      />
      <ResetPasswordDialog user={user} opened={isResetting} onClose={resetting.close} />
    </li>
  );
}
