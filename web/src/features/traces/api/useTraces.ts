import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { type TraceFilters, traceQuery } from "../model/filters";
import { traceKeys } from "./keys";

/** Traces, newest first, a page at a time. */
export function useTraces(filters: TraceFilters) {
  return useInfiniteQuery({
    queryKey: traceKeys.list(filters),
    queryFn: async ({ pageParam, signal }) =>
      dataOf(await api.GET("/api/v1/traces", { params: { query: traceQuery(filters, pageParam) }, signal })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}
