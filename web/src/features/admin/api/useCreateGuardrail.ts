import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type GuardrailCreate, guardrailsQuery } from "@/lib/api";

export function useCreateGuardrail() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: GuardrailCreate) => dataOf(await api.POST("/api/v1/guardrails", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: guardrailsQuery.queryKey }),
  });
}
