import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type DeploymentCreate } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useCreateDeployment() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: DeploymentCreate) => dataOf(await api.POST("/api/v1/deployments", { body })),
    onSuccess: () => modelsChanged(client),
    // The key of the server must not stay in the cache.
    gcTime: 0,
  });
}
