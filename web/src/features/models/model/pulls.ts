import type { Pull } from "@/lib/api";
import { formatBytes } from "@/lib/format";
import { formatDuration } from "@/lib/time";

/** Whether a pull is done that was not done before. */
export function justEnded(before: readonly Pull[], now: readonly Pull[]): boolean {
  const done = new Set(before.filter((pull) => pull.state === "done").map((pull) => pull.id));
  return now.some((pull) => pull.state === "done" && !done.has(pull.id));
}

/** Percent of the files seen so far; null while nothing is known of them. */
export function percentOf({ completed_bytes: completed, total_bytes: total }: Pull): number | null {
  return total > 0 ? Math.min(100, Math.floor((100 * completed) / total)) : null;
}

/** "120 MB of 398 MB · 12.0 MB/s · 23.2 s left", of what is known. */
export function progressText(pull: Pull): string {
  const { total_bytes: total, completed_bytes: completed, bytes_per_s: speed } = pull;
  if (total === 0) return pull.status || "asking";
  const parts = [`${formatBytes(completed)} of ${formatBytes(total)}`];
  if (completed >= total) return [...parts, pull.status.startsWith("pulling") ? "finishing" : pull.status].join(" · ");
  if (speed > 0) parts.push(`${formatBytes(speed)}/s`, `${formatDuration((1000 * (total - completed)) / speed)} left`);
  return parts.join(" · ");
}

/** Those to show: all that run, and of those that ended the last few that were not put away. */
export function shownPulls(pulls: readonly Pull[], dismissed: readonly string[]): Pull[] {
  const ended = pulls.filter((pull) => pull.state !== "running" && !dismissed.includes(pull.id));
  return [...pulls.filter((pull) => pull.state === "running"), ...ended.slice(0, MOST_ENDED)];
}

const MOST_ENDED = 5;
