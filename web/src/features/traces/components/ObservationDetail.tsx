import type { Observation } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { absoluteTime } from "@/lib/time";
import { JsonView } from "@/ui/JsonView";
import { costText, durationText } from "../model/figures";
import { KINDS } from "../model/kinds";
import { Figures } from "./Figures";
import { LevelBadge } from "./LevelBadge";
import { PayloadView } from "./PayloadView";

/** Everything known of one observation. */
export function ObservationDetail({ observation }: { observation: Observation }) {
  const { label, Icon } = KINDS[observation.kind];
  return (
    <div className="space-y-5">
      <header>
        <p className="flex items-center gap-1.5 text-xs text-ink-faint">
          <Icon size={14} aria-hidden /> {label}
        </p>
        <div className="mt-0.5 flex flex-wrap items-center gap-2">
          <h2 className="min-w-0 text-lg font-semibold [overflow-wrap:anywhere]">{observation.name}</h2>
          <LevelBadge level={observation.level} />
        </div>
        {observation.model ? <p className="mt-0.5 text-sm text-ink-soft">{observation.model}</p> : null}
      </header>
      {observation.status_message ? <StatusMessage observation={observation} message={observation.status_message} /> : null}
      <Figures
        label="Figures of this observation"
        figures={[
          ["Duration", observation.ended_at === null ? "not ended" : durationText(observation.latency_ms)],
          ["First token", observation.time_to_first_token_ms === null ? null : durationText(observation.time_to_first_token_ms)],
          ...usageFigures(observation),
          ["Cost", observation.kind === "generation" || observation.cost_usd !== null ? costText(observation.cost_usd) : null],
          ["Began", absoluteTime(observation.started_at)],
        ]}
      />
      <PayloadView key={`in-${observation.id}`} title="Input" value={observation.input} />
      <PayloadView key={`out-${observation.id}`} title="Output" value={observation.output} />
      {Object.keys(observation.metadata).length > 0 ? (
        <div>
          <h3 className="mb-1.5 text-sm font-semibold">Metadata</h3>
          <JsonView key={observation.id} value={observation.metadata} label="metadata" />
        </div>
      ) : null}
    </div>
  );
}

function StatusMessage({ observation, message }: { observation: Observation; message: string }) {
  const look =
    observation.level === "error"
      ? "border-danger-line bg-danger-soft"
      : observation.level === "warning"
        ? "border-warn-line bg-warn-soft"
        : "border-line bg-sunken";
  return <p className={`rounded-lg border px-3 py-2 text-sm whitespace-pre-wrap [overflow-wrap:anywhere] ${look}`}>{message}</p>;
}

/** Figures that say something even when they are nothing. */
const ALWAYS = new Set(["input_tokens", "output_tokens"]);

function usageFigures(observation: Observation): [string, string][] {
  const told = Object.entries(observation.usage).filter(([name, value]) => value > 0 || ALWAYS.has(name));
  return told.map(([name, value]) => {
    const words = name.replaceAll("_", " ");
    return [words.charAt(0).toUpperCase() + words.slice(1), formatCount(value)];
  });
}
