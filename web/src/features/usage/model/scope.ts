import type { UsageQuery } from "@/lib/api";

/** Whose calls are looked at, of which time and model. */
export type Scope = { since: string; until: string; everyone: boolean; model: string };

/** The query that every request of this page has in common. */
export function scopeQuery({ since, until, everyone, model }: Scope): UsageQuery {
  return { since, until, ...(everyone ? { all: true } : {}), ...(model ? { model } : {}) };
}

/** Where a file of these calls is had. */
export function exportUrl(scope: Scope, format: "csv" | "json"): string {
  const entries = Object.entries({ ...scopeQuery(scope), format }).map(([name, value]) => [name, String(value)]);
  return `/api/v1/usage/export?${new URLSearchParams(entries)}`;
}
