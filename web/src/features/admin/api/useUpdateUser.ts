import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type UserUpdate } from "@/lib/api";
import { adminKeys } from "./keys";

/** Changes name, role or password of someone, or shuts them out. */
export function useUpdateUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: UserUpdate }) =>
      dataOf(await api.PATCH("/api/v1/users/{user_id}", { params: { path: { user_id: id } }, body: change })),
    onSuccess: () => client.invalidateQueries({ queryKey: adminKeys.users }),
    gcTime: 0,
  });
}
