import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type KeyCreate } from "@/lib/api";
import { settingsKeys } from "./keys";

/** Makes a key. The answer is the only place its secret ever appears. */
export function useCreateKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: KeyCreate) => dataOf(await api.POST("/api/v1/keys", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: settingsKeys.keys }),
    // The secret must not stay in the cache after the dialog is closed.
    gcTime: 0,
  });
}
