import type { TraceFilters } from "../model/filters";

/** Names of the cached answers of this feature. */
export const traceKeys = {
  all: ["traces"] as const,
  list: (filters: TraceFilters) => [...traceKeys.all, "list", filters] as const,
  latest: (filters: TraceFilters) => [...traceKeys.all, "latest", filters] as const,
  one: (id: string) => [...traceKeys.all, "one", id] as const,
};
