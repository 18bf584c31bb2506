import type { TraceSummary } from "@/lib/api";

/** The loaded list with the newest answers on top; a trace in both is shown as it is now. */
export function mergeTraces(loaded: readonly TraceSummary[], latest: readonly TraceSummary[]): TraceSummary[] {
  const now = new Map(latest.map((trace) => [trace.id, trace]));
  const known = new Set(loaded.map((trace) => trace.id));
  return [...latest.filter((trace) => !known.has(trace.id)), ...loaded.map((trace) => now.get(trace.id) ?? trace)];
}

/** Whether more came in than the latest page holds, so that some between it and the list were never seen. */
export function hasGap(loaded: readonly TraceSummary[], latest: readonly TraceSummary[]): boolean {
  if (loaded.length === 0 || latest.length === 0) return loaded.length !== latest.length;
  const known = new Set(loaded.map((trace) => trace.id));
  return !latest.some((trace) => known.has(trace.id));
}
