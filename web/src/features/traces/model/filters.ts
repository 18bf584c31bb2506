import type { TraceSummary } from "@/lib/api";

/** What the list is narrowed by; "" means not at all. */
export type TraceFilters = { query: string; model: string; level: string; session: string; everyone: boolean };

type Level = TraceSummary["level"];
type TraceQuery = { query?: string; model?: string; level?: Level; session_id?: string; all?: boolean; cursor?: string; limit: number };

/** The query of `GET /traces` for one page of the list. */
export function traceQuery(filters: TraceFilters, cursor: string): TraceQuery {
  return {
    limit: 50,
    ...(cursor ? { cursor } : {}),
    ...(filters.query ? { query: filters.query } : {}),
    ...(filters.model ? { model: filters.model } : {}),
    ...(isLevel(filters.level) ? { level: filters.level } : {}),
    ...(filters.session ? { session_id: filters.session } : {}),
    ...(filters.everyone ? { all: true } : {}),
  };
}

function isLevel(text: string): text is Level {
  return text === "default" || text === "warning" || text === "error";
}
