import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useDeleteModel() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (name: string) => {
      await api.DELETE("/api/v1/runtime/models/{name}", { params: { path: { name } } });
    },
    onSuccess: () => modelsChanged(client),
  });
}
