import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { localKeys } from "./keys";

/** Models worth knowing. */
export function useKnownModels() {
  return useQuery({
    queryKey: localKeys.known,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/runtime/known-models", { signal })).items,
    staleTime: 60_000,
  });
}
