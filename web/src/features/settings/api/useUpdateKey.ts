import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type KeyUpdate } from "@/lib/api";
import { settingsKeys } from "./keys";

/** Changes name, end and limits of a key; it keeps its secret. */
export function useUpdateKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: KeyUpdate }) =>
      dataOf(await api.PATCH("/api/v1/keys/{key_id}", { params: { path: { key_id: id } }, body: change })),
    onSuccess: () => client.invalidateQueries({ queryKey: settingsKeys.keys }),
  });
}
