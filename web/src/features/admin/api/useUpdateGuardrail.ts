import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, guardrailsQuery, type GuardrailUpdate } from "@/lib/api";

export function useUpdateGuardrail() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: GuardrailUpdate }) =>
      dataOf(await api.PATCH("/api/v1/guardrails/{guardrail_id}", { params: { path: { guardrail_id: id } }, body: change })),
    onSuccess: () => client.invalidateQueries({ queryKey: guardrailsQuery.queryKey }),
  });
}
