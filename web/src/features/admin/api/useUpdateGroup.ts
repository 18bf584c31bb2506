import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type GroupUpdate } from "@/lib/api";

export function useUpdateGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, change }: { id: string; change: GroupUpdate }) =>
      dataOf(await api.PATCH("/api/v1/groups/{group_id}", { params: { path: { group_id: id } }, body: change })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["groups"] }),
  });
}
