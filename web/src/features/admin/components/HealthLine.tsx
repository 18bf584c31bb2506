import type { DeploymentHealth } from "@/lib/api";
import { RelativeTime } from "@/ui";
import { healthWords, type Mood, moodOf } from "../model/health";

const DOTS: Record<Mood, string> = {
  unknown: "bg-line-strong",
  well: "bg-accent",
  strained: "bg-mark-line",
  ill: "bg-danger",
};

/** How a model server does, in one quiet line; what went wrong last stands below. */
export function HealthLine({ health }: { health: DeploymentHealth }) {
  const { mood, label } = moodOf(health);
  return (
    <div className="mt-1.5 text-xs text-ink-faint">
      <p className="tabular-nums [overflow-wrap:anywhere]">
        <span className={`mr-2 inline-block size-2 rounded-full ${DOTS[mood]}`} aria-hidden />
        <span className={mood === "ill" ? "font-medium text-danger" : "text-ink-soft"}>
          {label}
          {health.since === null ? null : (
            <>
              {" "}
              since <RelativeTime at={health.since} />
            </>
          )}
        </span>
        {healthWords(health).map((word) => ` · ${word}`)}
      </p>
      {health.last_error === null ? null : (
        <p className="mt-0.5 line-clamp-2 [overflow-wrap:anywhere]" title={health.last_error}>
          Last error{" "}
          {health.last_error_at === null ? null : (
            <>
              <RelativeTime at={health.last_error_at} />
              {": "}
            </>
          )}
          {health.last_error}
        </p>
      )}
    </div>
  );
}
