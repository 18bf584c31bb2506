import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { knowledgeKeys } from "./keys";

export function useDeleteCollection() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/knowledge/collections/{collection_id}", { params: { path: { collection_id: id } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: [...knowledgeKeys.collections(), "list"] }),
  });
}
