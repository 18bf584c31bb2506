import { useMutation } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";

/** Loads a model; done when it can be asked. The event stream tells how it goes. */
export function useLoadModel() {
  return useMutation({
    mutationFn: async (model: string) => dataOf(await api.POST("/api/v1/runtime/running", { body: { model } })),
  });
}
