import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type CollectionCreate, dataOf } from "@/lib/api";
import { knowledgeKeys } from "./keys";

export function useCreateCollection() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: CollectionCreate) => dataOf(await api.POST("/api/v1/knowledge/collections", { body })),
    onSuccess: (collection) => {
      client.setQueryData(knowledgeKeys.collection(collection.id), collection);
      return client.invalidateQueries({ queryKey: [...knowledgeKeys.collections(), "list"] });
    },
  });
}
