import { Button } from "@mantine/core";
import { Pin } from "lucide-react";
import type { RunningModel } from "@/lib/api";
import { formatBytes, formatCount } from "@/lib/format";
import { untilText } from "@/lib/time";
import { ErrorNotice } from "@/ui";
import { useUnloadModel } from "../api/useUnloadModel";
import { stayText, workText } from "../model/words";
import { LastLines } from "./LastLines";
import { StateBadge } from "./StateBadge";

type RunningRowProps = { model: RunningModel; isAdmin: boolean; now: number };

/** One model that runs: its memory, its queue, its speed, how long it stays. */
export function RunningRow({ model, isAdmin, now }: RunningRowProps) {
  const unload = useUnloadModel();
  const isHere = model.state === "loaded" || model.state === "sleeping";
  const stay = stayText(model, (at) => untilText(at, now));
  return (
    <li className="py-3 last:pb-0">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-60">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
            <span className="[overflow-wrap:anywhere]">{model.model}</span>
            <StateBadge state={model.state} />
            {model.is_pinned ? <Pin size={13} className="text-ink-faint" aria-label="pinned" /> : null}
          </p>
          {isHere || model.queued > 0 ? <p className="mt-1 text-xs text-ink-soft tabular-nums">{factsOf(model).join(" · ")}</p> : null}
          {stay ? <p className="mt-0.5 text-xs text-ink-faint tabular-nums">{stay}</p> : null}
          {model.reason ? (
            <p className={`mt-1 text-sm [overflow-wrap:anywhere] ${model.state === "failed" ? "text-danger" : "text-ink-soft"}`}>{model.reason}</p>
          ) : null}
        </div>
        {isAdmin && isHere ? (
          <Button
            variant="default"
            size="xs"
            loading={unload.isPending}
            aria-label={`Unload ${model.model} now`}
            onClick={() => unload.mutate(model.model)}
          >
            Unload
          </Button>
        ) : null}
      </div>
      {unload.isError ? (
        <div className="mt-2">
          <ErrorNotice error={unload.error} title={`${model.model} was not unloaded`} />
        </div>
      ) : null}
      <LastLines lines={model.stderr} />
    </li>
  );
}

function factsOf(model: RunningModel): string[] {
  const gpu = model.vram_bytes > 0 ? `, ${formatBytes(model.vram_bytes)} of it on the GPU` : "";
  return [
    ...(model.size_bytes > 0 ? [`${formatBytes(model.size_bytes)}${gpu}`] : []),
    workText(model),
    ...(model.num_ctx > 0 ? [`context ${formatCount(model.num_ctx)}`] : []),
    ...(model.tokens_per_s > 0 ? [`${model.tokens_per_s.toFixed(1)} tokens/s`] : []),
  ];
}
