import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { settingsKeys } from "./keys";

/** Gives a key a new secret; the one before counts for `graceS` seconds more. */
export function useRotateKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, graceS }: { id: string; graceS: number }) =>
      dataOf(await api.POST("/api/v1/keys/{key_id}/rotate", { params: { path: { key_id: id } }, body: { grace_s: graceS } })),
    onSuccess: () => client.invalidateQueries({ queryKey: settingsKeys.keys }),
    // The secret must not stay in the cache after the dialog is closed.
    gcTime: 0,
  });
}
