import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { type TraceFilters, traceQuery } from "../model/filters";
import { traceKeys } from "./keys";

const EVERY_MS = 5000;

/** The newest page of traces, asked again and again while someone watches. */
export function useLatestTraces(filters: TraceFilters, isLive: boolean) {
  return useQuery({
    queryKey: traceKeys.latest(filters),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/traces", { params: { query: traceQuery(filters, "") }, signal })),
    enabled: isLive,
    refetchInterval: isLive ? EVERY_MS : false,
    staleTime: 0,
  });
}
