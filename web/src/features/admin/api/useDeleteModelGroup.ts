import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useDeleteModelGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/model-groups/{model_group_id}", { params: { path: { model_group_id: id } } });
    },
    onSuccess: () => modelsChanged(client),
  });
}
