import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type CollectionUpdate, dataOf } from "@/lib/api";
import { knowledgeKeys } from "./keys";

export function useUpdateCollection(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: CollectionUpdate) =>
      dataOf(await api.PATCH("/api/v1/knowledge/collections/{collection_id}", { params: { path: { collection_id: id } }, body })),
    onSuccess: (collection) => {
      client.setQueryData(knowledgeKeys.collection(id), collection);
      return client.invalidateQueries({ queryKey: [...knowledgeKeys.collections(), "list"] });
    },
  });
}
