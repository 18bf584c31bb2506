import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type ModelGroupCreate } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useCreateModelGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: ModelGroupCreate) => dataOf(await api.POST("/api/v1/model-groups", { body })),
    onSuccess: () => modelsChanged(client),
  });
}
