import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf, type Document } from "@/lib/api";
import { knowledgeKeys } from "./keys";

/** True while the server still works on a document. */
export function isUnfinished(document: Document): boolean {
  return document.status === "queued" || document.status === "processing";
}

/** The documents of a collection; asked again only while one of them is unfinished, slower the more pages are open. */
export function useDocuments(collectionId: string) {
  return useInfiniteQuery({
    queryKey: knowledgeKeys.documents(collectionId),
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/v1/knowledge/collections/{collection_id}/documents", {
          params: { path: { collection_id: collectionId }, query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ({ state }) => {
      const pages = state.data?.pages ?? [];
      return pages.some((page) => page.items.some(isUnfinished)) ? 1200 * pages.length : false;
    },
  });
}
