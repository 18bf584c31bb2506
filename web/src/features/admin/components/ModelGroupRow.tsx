import { Badge, Switch, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Pencil, Trash2 } from "lucide-react";
import type { ModelGroup } from "@/lib/api";
import { plural } from "@/lib/format";
import { confirm, CopyButton, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useDeleteModelGroup } from "../api/useDeleteModelGroup";
import { useUpdateModelGroup } from "../api/useUpdateModelGroup";
import { SOURCES } from "../model/deployment";
import { strategyWords } from "../model/modelGroup";
import { ModelGroupDialog } from "./ModelGroupDialog";

/** One model group: its members and how one of them is chosen. */
export function ModelGroupRow({ group }: { group: ModelGroup }) {
  const [isEditing, editing] = useDisclosure(false);
  const update = useUpdateModelGroup();
  const remove = useDeleteModelGroup();
  const isOurs = group.source === "admin";
  const isEnabled = (update.isPending ? update.variables.change.enabled : null) ?? group.enabled;

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${group.model}?`,
      body: "The id leaves everyone’s list, and programs that ask for it are refused. Its servers stay.",
      confirmLabel: "Delete model group",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(group.id, {
      onSuccess: () => {
        notifyDone(`Deleted ${group.model}.`);
        focusContent();
      },
      onError: (error) => notifyError(`${group.model} was not deleted`, error),
    });
  };

  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-3 border-t border-line px-4 py-4 first:border-t-0 sm:px-5">
      <div className="min-w-0 flex-1 basis-60">
        <div className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
          <span className={`[overflow-wrap:anywhere] ${isEnabled ? "" : "text-ink-faint"}`}>{group.model}</span>
          <CopyButton value={group.model} label={`Copy the id ${group.model}`} />
          <Tooltip label={strategyWords(group.strategy).explanation}>
            <Badge component="span" size="sm" color="gray">
              {strategyWords(group.strategy).label}
            </Badge>
          </Tooltip>
          {isOurs ? null : (
            <Badge component="span" size="sm">
              {SOURCES.settings.label}
            </Badge>
          )}
        </div>
        {group.description ? <p className="mt-1 text-sm text-ink-soft [overflow-wrap:anywhere]">{group.description}</p> : null}
        <ul aria-label={`Members of ${group.model}`} className="mt-1.5 space-y-0.5 text-xs text-ink-soft">
          {group.members.map(({ deployment, model, weight, order }) => (
            <li key={`${deployment}/${model}/${order}`} className="[overflow-wrap:anywhere]">
              <span className="font-mono">
                {deployment}/{model}
              </span>
              <span className="text-ink-faint">
                {weight === null ? "" : ` · weight ${weight}`}
                {order === 0 ? "" : ` · only after those of order ${order - 1}`}
              </span>
            </li>
          ))}
        </ul>
        <p className="mt-1.5 text-xs text-ink-faint [overflow-wrap:anywhere]">{wordsOf(group).join(" · ")}</p>
      </div>
      {isOurs ? (
        <div className="flex items-center gap-3">
          <Switch
            aria-label={`Use ${group.model}`}
            checked={isEnabled}
            disabled={update.isPending}
            onChange={(event) =>
              update.mutate(
                { id: group.id, change: { enabled: event.currentTarget.checked } },
                { onError: (error) => notifyError(`${group.model} was not changed`, error) },
              )
            }
          />
          <ActionsMenu
            label={`Actions for ${group.model}`}
            isBusy={remove.isPending}
            actions={[
              { label: "Edit", Icon: Pencil, run: editing.open },
              { label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() },
            ]}
          />
        </div>
      ) : null}
      <ModelGroupDialog
        opened={isEditing}
        group={group}
        onClose={editing.close}
        onSubmit={async (body) => {
          await update.mutateAsync({ id: group.id, change: body });
          notifyDone(`Saved ${body.model}.`);
        }}
      />
    </li>
  );
}

/** The rest of a group in a few words each. */
function wordsOf({ retries, hedge_after_ms: hedge, fallbacks, aliases, access_groups: access, cache, guards }: ModelGroup): string[] {
  return [
    retries === 0 ? "not asked again" : `asked again ${plural(retries, "time")}`,
    ...(hedge === null ? [] : [`a second is asked after ${hedge} ms`]),
    ...(fallbacks.on_error.length > 0 ? [`on errors ${fallbacks.on_error.join(", ")}`] : []),
    ...(fallbacks.on_context_overflow.length > 0 ? [`when too long ${fallbacks.on_context_overflow.join(", ")}`] : []),
    ...(fallbacks.on_content_policy.length > 0 ? [`when refused ${fallbacks.on_content_policy.join(", ")}`] : []),
    ...(aliases.length > 0 ? [`also called ${aliases.join(", ")}`] : []),
    ...(access.length > 0 ? [access.map((name) => `@${name}`).join(", ")] : []),
    ...(cache === null ? [] : [cache.mode === "exact" ? "cached" : "cached by meaning"]),
    ...(guards.length > 0 ? [`guards: ${guards.join(", ")}`] : []),
  ];
}
