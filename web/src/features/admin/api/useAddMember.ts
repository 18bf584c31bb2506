import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";

/** Puts a person into a group. */
export function useAddMember(groupId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (userId: string) => {
      await api.PUT("/api/v1/groups/{group_id}/members/{user_id}", { params: { path: { group_id: groupId, user_id: userId } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ["groups"] }),
  });
}
