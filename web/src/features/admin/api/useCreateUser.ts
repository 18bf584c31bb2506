import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type UserCreate } from "@/lib/api";
import { adminKeys } from "./keys";

export function useCreateUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: UserCreate) => dataOf(await api.POST("/api/v1/users", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: adminKeys.users }),
    gcTime: 0,
  });
}
