import { Badge, Button } from "@mantine/core";
import { MessageSquareText, Pin, PinOff, Trash2 } from "lucide-react";
import type { LocalModel, RunningModel } from "@/lib/api";
import { formatBytes } from "@/lib/format";
import { confirm, ErrorNotice, notifyDone, RelativeTime } from "@/ui";
import { ActionsMenu, type MenuAction } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useDeleteModel } from "../api/useDeleteModel";
import { useLoadModel } from "../api/useLoadModel";
import { usePinModel } from "../api/usePinModel";
import { useUnloadModel } from "../api/useUnloadModel";
import { capabilityText, chats, kindText } from "../model/words";
import { StateBadge } from "./StateBadge";

type InstalledRowProps = { model: LocalModel; running: RunningModel | undefined; isAdmin: boolean; onTest: () => void };

/** One model on the disk: what it is, whether it fits, what it does now. */
export function InstalledRow({ model, running, isAdmin, onTest }: InstalledRowProps) {
  const { name } = model;
  const load = useLoadModel();
  const unload = useUnloadModel();
  const pin = usePinModel();
  const remove = useDeleteModel();
  const told = running ?? model;
  const state = load.isPending && told.state === "unloaded" ? "loading" : told.state;
  const isHere = state === "loaded" || state === "sleeping";
  const isPinned = running?.is_pinned ?? false;

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${name}?`,
      body: `It leaves everyone’s list of models, and ${formatBytes(model.size_bytes)} of disk are freed as far as no other model shares them. Chats that used it are kept.`,
      confirmLabel: "Delete model",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(name, {
      onSuccess: () => {
        notifyDone(`Deleted ${name}.`);
        focusContent();
      },
    });
  };
  const actions: MenuAction[] = [
    isPinned
      ? { label: "Unpin", Icon: PinOff, run: () => pin.mutate({ name, isPinned: false }) }
      : { label: "Pin: keep it loaded", Icon: Pin, run: () => pin.mutate({ name, isPinned: true }) },
    ...(model.is_read_only ? [] : [{ label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() }]),
  ];

  return (
    <li className="border-t border-line px-4 py-4 first:border-t-0 sm:px-5">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-64">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
            <span className="[overflow-wrap:anywhere]">{name}</span>
            <span role="status">
              <StateBadge state={state} />
            </span>
            {isPinned ? <Pin size={13} className="text-ink-faint" aria-label="pinned" /> : null}
            {model.is_read_only ? (
              <Badge component="span" size="sm" color="gray">
                read only
              </Badge>
            ) : null}
          </p>
          <p className="mt-1 text-xs text-ink-soft [overflow-wrap:anywhere]">
            {kindText(model) ? `${kindText(model)} · ` : ""}
            {formatBytes(model.size_bytes)} on disk · changed <RelativeTime at={model.modified_at} />
          </p>
          <p className="mt-1 text-xs text-ink-faint">
            {model.fits ? (
              <>Needs {formatBytes(model.memory_bytes)} of memory, which fits</>
            ) : (
              <span className="font-medium text-warn">Needs {formatBytes(model.memory_bytes)} of memory, more than there is for models</span>
            )}
          </p>
          <ul aria-label={`What ${name} can do`} className="mt-1.5 flex flex-wrap gap-1">
            {model.capabilities.map((capability) => (
              <li key={capability}>
                <Badge component="span" size="sm" color="gray" variant="outline">
                  {capabilityText(capability)}
                </Badge>
              </li>
            ))}
          </ul>
          {told.reason ? (
            <p className={`mt-1.5 [overflow-wrap:anywhere] ${state === "failed" ? "text-sm text-danger" : "text-xs text-ink-faint"}`}>{told.reason}</p>
          ) : null}
        </div>
        <div className="flex items-center gap-2">
          {chats(model) ? (
            <Button
              variant="default"
              size="xs"
              leftSection={<MessageSquareText size={14} aria-hidden />}
              aria-label={`Test ${name}`}
              onClick={onTest}
            >
              Test
            </Button>
          ) : null}
          {isAdmin && isHere ? (
            <Button variant="default" size="xs" loading={unload.isPending} aria-label={`Unload ${name}`} onClick={() => unload.mutate(name)}>
              Unload
            </Button>
          ) : null}
          {isAdmin && !isHere ? (
            <Button
              variant="default"
              size="xs"
              loading={load.isPending || state === "loading"}
              aria-label={`Load ${name}`}
              onClick={() => load.mutate(name)}
            >
              Load
            </Button>
          ) : null}
          {isAdmin ? <ActionsMenu label={`Actions for ${name}`} isBusy={remove.isPending || pin.isPending} actions={actions} /> : null}
        </div>
      </div>
      <Refused error={load.error} title={`${name} was not loaded`} />
      <Refused error={unload.error} title={`${name} was not unloaded`} />
      <Refused error={pin.error} title={`${name} was not ${pin.variables?.isPinned ? "pinned" : "unpinned"}`} />
      <Refused error={remove.error} title={`${name} was not deleted`} />
    </li>
  );
}

function Refused({ error, title }: { error: unknown; title: string }) {
  if (!error) return null;
  return (
    <div className="mt-3">
      <ErrorNotice error={error} title={title} />
    </div>
  );
}
