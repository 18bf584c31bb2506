import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { localKeys } from "./keys";

export function useCancelPull() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/runtime/pulls/{pull_id}", { params: { path: { pull_id: id } } });
    },
    onSettled: () => client.invalidateQueries({ queryKey: localKeys.pulls }),
  });
}
