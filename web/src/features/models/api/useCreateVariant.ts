import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type LocalModelCreate } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

/** Makes a model of another one. */
export function useCreateVariant() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: LocalModelCreate) => dataOf(await api.POST("/api/v1/runtime/models", { body })),
    onSuccess: () => modelsChanged(client),
  });
}
