import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { type Scope, scopeQuery } from "../model/scope";
import { usageKeys } from "./keys";

/** Calls, newest first, a page at a time. */
export function useUsageRows(scope: Scope) {
  return useInfiniteQuery({
    queryKey: usageKeys.rows(scope),
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/v1/usage/rows", {
          params: { query: { ...scopeQuery(scope), limit: 25, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}
