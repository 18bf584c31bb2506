import { useMutation } from "@tanstack/react-query";
import { api, dataOf, type RuleTry } from "@/lib/api";

/** Asks what a rule would do with a text; neither is kept. */
export function useTryRule() {
  return useMutation({ mutationFn: async (body: RuleTry) => dataOf(await api.POST("/api/v1/guardrails/test", { body })) });
}
