import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type GroupCreate } from "@/lib/api";

export function useCreateGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: GroupCreate) => dataOf(await api.POST("/api/v1/groups", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["groups"] }),
  });
}
