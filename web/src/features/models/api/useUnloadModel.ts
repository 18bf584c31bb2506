import { useMutation } from "@tanstack/react-query";
import { api } from "@/lib/api";

/** Unloads a model: at once when it is idle, else after its requests. */
export function useUnloadModel() {
  return useMutation({
    mutationFn: async (name: string) => {
      await api.DELETE("/api/v1/runtime/running/{name}", { params: { path: { name } } });
    },
  });
}
