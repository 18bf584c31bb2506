import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, authStateQuery, dataOf } from "@/lib/api";

/** Changes the person's own name, everywhere it is shown. */
export function useUpdateProfile() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: { name: string }) => dataOf(await api.PATCH("/api/v1/users/me", { body })),
    onSuccess: (user) => client.setQueryData(authStateQuery.queryKey, (state) => (state ? { ...state, user } : state)),
  });
}
