import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { knowledgeKeys } from "./keys";

/** The person's collections, a page at a time; `name` keeps those whose name contains it. */
export function useCollections(name: string) {
  return useInfiniteQuery({
    queryKey: knowledgeKeys.collectionList(name),
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/v1/knowledge/collections", {
          params: { query: { limit: 60, ...(pageParam ? { cursor: pageParam } : {}), ...(name ? { name } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}
