import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { settingsKeys } from "./keys";

export function useRevokeKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: id } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: settingsKeys.keys }),
  });
}
