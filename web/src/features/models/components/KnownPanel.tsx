import { Badge, Button } from "@mantine/core";
import { Download } from "lucide-react";
import type { KnownModel, LocalMachine } from "@/lib/api";
import { formatBytes } from "@/lib/format";
import { ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useKnownModels } from "../api/useKnownModels";
import { usePulls } from "../api/usePulls";
import { useStartPull } from "../api/useStartPull";

const GROUPS: readonly { group: KnownModel["group"]; title: string }[] = [
  { group: "ultra-fast", title: "Small and quick" },
  { group: "general", title: "General" },
  { group: "code", title: "Code" },
  { group: "embedding", title: "Embedding, for search" },
];

/** A short list to choose from, with what each takes. It is part of Alcove: nobody is asked for it. */
export function KnownPanel({ machine }: { machine: LocalMachine | null }) {
  const query = useKnownModels();
  return (
    <Panel title="Worth knowing" description="A short list that comes with Alcove, with what each model takes and whether it fits here." flush>
      {query.isPending ? <Loading label="Loading the list" /> : null}
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The list could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {query.data
        ? GROUPS.map(({ group, title }) => {
            const models = query.data.filter((model) => model.group === group);
            return models.length === 0 ? null : (
              <section key={group} aria-label={title} className="border-t border-line first:border-t-0">
                <h3 className="bg-sunken px-4 py-1.5 text-xs font-medium text-ink-faint sm:px-5">{title}</h3>
                <ul>
                  {models.map((model) => (
                    <KnownRow key={model.name} model={model} machine={machine} />
                  ))}
                </ul>
              </section>
            );
          })
        : null}
    </Panel>
  );
}

function KnownRow({ model, machine }: { model: KnownModel; machine: LocalMachine | null }) {
  const start = useStartPull();
  const { data: pulls } = usePulls();
  const isComing = pulls?.some((pull) => pull.model === model.name && pull.state === "running") ?? false;
  const hasDisk = machine === null || machine.disk_free_bytes > model.size_bytes;
  return (
    <li className="border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
            <span className="[overflow-wrap:anywhere]">{model.name}</span>
            <Fit model={model} hasDisk={hasDisk} />
          </p>
          <p className="mt-0.5 text-sm text-ink-soft">{model.about}</p>
          <p className="mt-0.5 text-xs text-ink-faint tabular-nums">
            {model.parameters} · {model.quantization} · {formatBytes(model.size_bytes)} to fetch · {formatBytes(model.memory_bytes)} of memory
          </p>
        </div>
        {model.is_installed ? null : (
          <Button
            variant="default"
            size="xs"
            leftSection={<Download size={14} aria-hidden />}
            loading={start.isPending || isComing}
            disabled={!hasDisk}
            aria-label={`Pull ${model.name}`}
            onClick={() => start.mutate({ model: model.name, name: "", insecure: false })}
          >
            Pull
          </Button>
        )}
      </div>
      {start.isError ? (
        <div className="mt-2">
          <ErrorNotice error={start.error} title={`${model.name} was not pulled`} />
        </div>
      ) : null}
    </li>
  );
}

function Fit({ model, hasDisk }: { model: KnownModel; hasDisk: boolean }) {
  const [label, color] = model.is_installed
    ? ["installed", "pine"]
    : !hasDisk
      ? ["not enough disk", "red"]
      : model.fits
        ? ["fits", "gray"]
        : ["too large for the memory here", "yellow"];
  return (
    <Badge component="span" size="sm" color={color}>
      {label}
    </Badge>
  );
}
