import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** Drops cached answers: all, or those of a model, of a person, of both. */
export function useClearCache() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (query: { model?: string; owner_id?: string }) => dataOf(await api.DELETE("/api/v1/cache", { params: { query } })),
    onSuccess: () => client.invalidateQueries({ queryKey: adminKeys.cache }),
  });
}
