import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { traceKeys } from "../api/keys";
import { useLatestTraces } from "../api/useLatestTraces";
import { useTraces } from "../api/useTraces";
import type { TraceFilters } from "../model/filters";
import { hasGap, mergeTraces } from "../model/mergeTraces";

/** The list of traces; while live, new ones appear on top without loading the rest again. */
export function useTraceList(filters: TraceFilters, isLive: boolean) {
  const client = useQueryClient();
  const query = useTraces(filters);
  const { data: latest } = useLatestTraces(filters, isLive && query.isSuccess);
  const loaded = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const fresh = isLive ? latest?.items : undefined;
  const traces = useMemo(() => (fresh ? mergeTraces(loaded, fresh) : loaded), [loaded, fresh]);

  const isGapped = fresh !== undefined && query.isSuccess && !query.isPlaceholderData && hasGap(loaded, fresh);
  useEffect(() => {
    if (isGapped) void client.invalidateQueries({ queryKey: traceKeys.list(filters) });
    // oxlint-disable-next-line react/exhaustive-deps -- the filters are a new object on each drawing; the gap is what matters
  }, [isGapped, client]);

  return { query, traces };
}
