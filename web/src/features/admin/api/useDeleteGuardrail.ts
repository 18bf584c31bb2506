import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, guardrailsQuery } from "@/lib/api";

export function useDeleteGuardrail() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/guardrails/{guardrail_id}", { params: { path: { guardrail_id: id } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: guardrailsQuery.queryKey }),
  });
}
