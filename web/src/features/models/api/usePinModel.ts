import { useMutation } from "@tanstack/react-query";
import { api } from "@/lib/api";

/** Makes a model stay loaded, or lets it go. */
export function usePinModel() {
  return useMutation({
    mutationFn: async ({ name, isPinned }: { name: string; isPinned: boolean }) => {
      const options = { params: { path: { name } } };
      await (isPinned ? api.PUT("/api/v1/runtime/pins/{name}", options) : api.DELETE("/api/v1/runtime/pins/{name}", options));
    },
  });
}
