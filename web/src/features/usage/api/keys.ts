import type { Scope } from "../model/scope";

/** Names of the cached answers of this feature. */
export const usageKeys = {
  all: ["usage"] as const,
  summary: (scope: Scope, by: string, interval: string) => [...usageKeys.all, "summary", scope, by, interval] as const,
  rows: (scope: Scope) => [...usageKeys.all, "rows", scope] as const,
  live: ["usage", "live"] as const,
};
