import { useMutation } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";

/** Asks a model server for its models, now. */
export function useTestDeployment() {
  return useMutation({
    mutationFn: async (id: string) =>
      dataOf(await api.POST("/api/v1/deployments/{deployment_id}/test", { params: { path: { deployment_id: id } } })),
  });
}
