import { Progress } from "@mantine/core";
import { useInterval } from "@mantine/hooks";
import { useState } from "react";
import { formatBytes } from "@/lib/format";
import { Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { atWork, type Running } from "../model/running";
import { RunningRow } from "./RunningRow";

type RunningPanelProps = { running: Running; isAdmin: boolean };

/** What is loaded now, with which memory, and who waits. */
export function RunningPanel({ running, isAdmin }: RunningPanelProps) {
  const models = atWork(running);
  const now = useNow(models.length > 0);
  const { memory, isLive } = running;
  return (
    <Panel
      title="Running"
      description={
        memory === null ? undefined : models.length === 0 ? "No model is loaded. One is loaded when somebody asks it, and unloaded when nobody does." : undefined
      }
      actions={
        <p role="status" className="flex items-center gap-2 text-xs text-ink-faint">
          <span className={`size-2 rounded-full ${isLive ? "bg-accent" : "bg-warn"}`} aria-hidden />
          {isLive ? "live" : memory === null ? "connecting" : "not up to date; connecting again"}
        </p>
      }
    >
      {memory === null ? <Loading label="Loading what runs" /> : <MemoryBar {...memory} />}
      {models.length > 0 ? (
        <ul aria-label="Running models" className="mt-4 divide-y divide-line">
          {models.map((model) => (
            <RunningRow key={model.model} model={model} isAdmin={isAdmin} now={now} />
          ))}
        </ul>
      ) : null}
    </Panel>
  );
}

function MemoryBar({ budget_bytes: budget, taken_bytes: taken }: NonNullable<Running["memory"]>) {
  const percent = budget > 0 ? Math.min(100, (100 * taken) / budget) : 0;
  return (
    <div>
      <p className="mb-1.5 text-sm text-ink-soft tabular-nums">
        <span className="font-medium text-ink">{formatBytes(taken)}</span> of {formatBytes(budget)} of memory taken
      </p>
      <Progress
        size="lg"
        value={percent}
        color={percent > 95 ? "yellow" : "pine"}
        aria-label="Memory taken by models"
      />
    </div>
  );
}

/** The time, kept current while something on the page depends on it. */
function useNow(isNeeded: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useInterval(() => setNow(Date.now()), isNeeded ? 1000 : 60_000, { autoInvoke: true });
  return now;
}
