import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { modelsChanged } from "./modelsChanged";

export function useDeleteDeployment() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/deployments/{deployment_id}", { params: { path: { deployment_id: id } } });
    },
    onSuccess: () => modelsChanged(client),
  });
}
