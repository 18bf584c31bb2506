import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type PullStart } from "@/lib/api";
import { localKeys } from "./keys";

export function useStartPull() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: PullStart) => dataOf(await api.POST("/api/v1/runtime/pulls", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: localKeys.pulls }),
  });
}
