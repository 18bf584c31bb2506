import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";

export function useDeleteGroup() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/groups/{group_id}", { params: { path: { group_id: id } } });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ["groups"] }),
  });
}
