import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type DeploymentUpdate } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useUpdateDeployment() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: DeploymentUpdate }) =>
      dataOf(await api.PATCH("/api/v1/deployments/{deployment_id}", { params: { path: { deployment_id: id } }, body: change })),
    onSuccess: () => modelsChanged(client),
    gcTime: 0,
  });
}
