import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { knowledgeKeys } from "./keys";

/** One collection; asked again every few seconds while its documents are still being read. */
export function useCollection(id: string, isBusy = false) {
  return useQuery({
    queryKey: knowledgeKeys.collection(id),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/knowledge/collections/{collection_id}", { params: { path: { collection_id: id } }, signal })),
    refetchInterval: isBusy ? 3000 : false,
  });
}
