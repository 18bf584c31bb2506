import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { adminKeys } from "./keys";

export function useDeleteUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id: id } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: adminKeys.users }),
  });
}
