import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type ModelGroupUpdate } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useUpdateModelGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: ModelGroupUpdate }) =>
      dataOf(await api.PATCH("/api/v1/model-groups/{model_group_id}", { params: { path: { model_group_id: id } }, body: change })),
    onSuccess: () => modelsChanged(client),
  });
}
