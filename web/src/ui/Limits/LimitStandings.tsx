import type { LimitState, SubjectLimits } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { untilText } from "@/lib/time";

const NAMES: Record<LimitState["kind"], string> = {
  requests_per_minute: "Requests a minute",
  tokens_per_minute: "Tokens a minute",
  max_parallel: "At the same time",
  budget_usd: "Budget",
  budget_tokens: "Token budget",
};
const PERIOD_NAMES = { day: " of the day", week: " of the week", month: " of the month", total: "" } as const;
const NEARLY = 0.85;

/** How the limits of one key, person or group stand: a bar for each. */
export function LimitStandings({ subject }: { subject: SubjectLimits }) {
  const { limits, models, guards } = subject;
  return (
    <div className="space-y-4">
      {limits.length > 0 ? (
        <ul className="grid gap-x-8 gap-y-4 sm:grid-cols-2" aria-label={`Limits of ${subject.name}`}>
          {limits.map((state) => (
            <Standing key={state.kind} state={state} />
          ))}
        </ul>
      ) : null}
      {models === null ? null : (
        <p className="text-sm text-ink-soft [overflow-wrap:anywhere]">
          Models: {models.length === 0 ? "none" : <span className="font-mono text-xs">{models.join(", ")}</span>}
        </p>
      )}
      {guards.length === 0 ? null : <p className="text-sm text-ink-soft">Guardrails: {guards.join(", ")}</p>}
    </div>
  );
}

function Standing({ state }: { state: LimitState }) {
  const name = `${NAMES[state.kind]}${state.period === null ? "" : PERIOD_NAMES[state.period]}`;
  const taken = shareOf(state);
  const text = state.kind === "budget_usd" ? formatUsd : countText;
  const look = taken >= 1 ? "bg-danger" : taken >= NEARLY ? "bg-mark-line" : "bg-accent";
  return (
    <li>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
        <span className="font-medium">{name}</span>
        <span className="text-ink-soft tabular-nums">
          {text(state.used)} of {text(state.limit)}
        </span>
      </div>
      <div
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(taken * 100)}
        aria-valuetext={`${text(state.left)} left of ${text(state.limit)}`}
        className="mt-1.5 h-2 overflow-hidden rounded-full bg-hover"
      >
        <div className={`h-full rounded-full ${look}`} style={{ width: `${taken * 100}%` }} />
      </div>
      <p className="mt-1 text-xs text-ink-faint">
        {taken >= 1 ? <span className="font-medium text-danger">used up</span> : `${text(state.left)} left`}
        {state.resets_at ? `, begins anew ${untilText(state.resets_at)}` : ""}
        {Number(state.held) > 0 && state.kind !== "max_parallel" ? `, ${text(state.held)} held for calls under way` : ""}
      </p>
    </li>
  );
}

/** The part that is gone, 0 to 1; only for the length of a bar. */
function shareOf({ limit, left }: LimitState): number {
  const whole = Number(limit);
  return whole > 0 ? Math.min(1, Math.max(0, 1 - Number(left) / whole)) : 1;
}

function countText(amount: string): string {
  return formatCount(Math.floor(Number(amount)));
}
