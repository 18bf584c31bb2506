import { useMutation } from "@tanstack/react-query";
import { api, dataOf, type SearchRequest } from "@/lib/api";

/** Runs one search over a collection, as an answer would. */
export function useSearchCollection(collectionId: string) {
  return useMutation({
    mutationFn: async (body: SearchRequest) =>
      dataOf(
        await api.POST("/api/v1/knowledge/collections/{collection_id}/search", {
          params: { path: { collection_id: collectionId } },
          body,
        }),
      ),
  });
}
