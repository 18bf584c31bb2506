import { useMutation } from "@tanstack/react-query";
import { api } from "@/lib/api";

/** Changes the person's own password; every other session of theirs ends. */
export function useChangePassword() {
  return useMutation({
    mutationFn: async (body: { current_password: string; new_password: string }) => {
      await api.POST("/api/v1/auth/password", { body });
    },
  });
}
