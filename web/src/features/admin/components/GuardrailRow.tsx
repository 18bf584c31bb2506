import { Badge, Switch, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Ban, EyeOff, FlaskConical, type LucideIcon, Pencil, Ruler, Trash2 } from "lucide-react";
import type { Guardrail } from "@/lib/api";
import { confirm, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useDeleteGuardrail } from "../api/useDeleteGuardrail";
import { useUpdateGuardrail } from "../api/useUpdateGuardrail";
import { SOURCES } from "../model/deployment";
import { actionsText, bannedText, kindWords, ruleText } from "../model/guardrail";
import { type GuardUses, whereOn } from "../model/guardUses";
import { listOf } from "../model/words";
import { GuardrailDialog } from "./GuardrailDialog";
import { TryGuardrailDialog } from "./TryGuardrailDialog";

const ICONS: Record<Guardrail["rule"]["kind"], LucideIcon> = { redact: EyeOff, block: Ban, limit_prompt: Ruler };

/** One guardrail: what it does, where it is on, how often it acted. */
export function GuardrailRow({ guardrail, uses }: { guardrail: Guardrail; uses: GuardUses | undefined }) {
  const [isEditing, editing] = useDisclosure(false);
  const [isTrying, trying] = useDisclosure(false);
  const update = useUpdateGuardrail();
  const remove = useDeleteGuardrail();
  const { name, rule, source } = guardrail;
  const isOurs = source === "admin";
  const isEnabled = (update.isPending ? update.variables.change.enabled : null) ?? guardrail.enabled;
  const namedBy = uses?.get(name) ?? [];
  const Icon = ICONS[rule.kind];

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${name}?`,
      body: <DeleteWords name={name} namedBy={namedBy} />,
      confirmLabel: "Delete guardrail",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(guardrail.id, {
      onSuccess: () => {
        notifyDone(`Deleted ${name}.`);
        focusContent();
      },
      onError: (error) => notifyError(`${name} was not deleted`, error),
    });
  };

  const tryIt = { label: "Try a text", Icon: FlaskConical, run: trying.open };
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-3 border-t border-line px-4 py-4 first:border-t-0 sm:px-5">
      <div className="flex min-w-0 flex-1 basis-60 gap-3">
        <span
          className={`grid size-9 shrink-0 place-items-center rounded-full ${isEnabled ? "bg-accent-soft text-accent-ink" : "bg-hover text-ink-faint"}`}
          aria-hidden
        >
          <Icon size={16} />
        </span>
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
            <span className={`[overflow-wrap:anywhere] ${isEnabled ? "" : "text-ink-faint"}`}>{name}</span>
            <Tooltip label={kindWords(rule.kind).explanation}>
              <Badge component="span" size="sm" color="gray">
                {kindWords(rule.kind).badge}
              </Badge>
            </Tooltip>
            {isOurs ? null : (
              <Tooltip label={SOURCES.settings.explanation}>
                <Badge component="span" size="sm">
                  {SOURCES.settings.label}
                </Badge>
              </Tooltip>
            )}
          </p>
          <p className="mt-1 text-sm text-ink-soft [overflow-wrap:anywhere]">{ruleText(rule)}</p>
          {rule.kind === "block" ? <p className="mt-1 font-mono text-xs text-ink-soft [overflow-wrap:anywhere]">{bannedText(rule)}</p> : null}
          <p className="mt-1 text-xs text-ink-faint [overflow-wrap:anywhere]">
            {isEnabled ? <Where guardrail={guardrail} uses={uses} /> : "Switched off"} · {actionsText(guardrail.actions)}
          </p>
        </div>
      </div>
      <div className="ml-auto flex items-center gap-3">
        {isOurs ? (
          <Switch
            aria-label={`Use ${name}`}
            checked={isEnabled}
            disabled={update.isPending}
            onChange={(event) =>
              update.mutate(
                { id: guardrail.id, change: { enabled: event.currentTarget.checked } },
                { onError: (error) => notifyError(`${name} was not changed`, error) },
              )
            }
          />
        ) : null}
        <ActionsMenu
          label={`Actions for ${name}`}
          isBusy={remove.isPending}
          actions={
            isOurs
              ? [
                  tryIt,
                  { label: "Edit", Icon: Pencil, run: editing.open },
                  { label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() },
                ]
              : [tryIt]
          }
        />
      </div>
      <TryGuardrailDialog guardrail={guardrail} opened={isTrying} onClose={trying.close} />
      <GuardrailDialog
        opened={isEditing}
        guardrail={guardrail}
        namedBy={namedBy}
        onClose={editing.close}
        onSubmit={async (body) => {
          await update.mutateAsync({ id: guardrail.id, change: body });
          notifyDone(`Saved ${body.name}.`);
        }}
      />
    </li>
  );
}

function Where({ guardrail, uses }: { guardrail: Guardrail; uses: GuardUses | undefined }) {
  if (guardrail.always_on) return <span className="font-medium text-ink-soft">On for everybody</span>;
  if (uses === undefined) return "On where it is named";
  const where = whereOn(guardrail, uses);
  if (where.length === 0) return <span className="text-warn">Named by no model, group or person yet</span>;
  return <span className="font-medium text-ink-soft">On for {listOf(where)}</span>;
}

function DeleteWords({ name, namedBy }: { name: string; namedBy: readonly string[] }) {
  if (namedBy.length === 0) return <p>If a key still names it, requests with that key are refused until it is named no more.</p>;
  return (
    <p>
      {listOf(namedBy)} still {namedBy.length === 1 ? "names" : "name"} {name}: requests there are refused until it is named no more. To let
      them through, switch it off instead.
    </p>
  );
}
