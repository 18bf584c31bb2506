import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

const EVERY_MS = 5000;

/** How the cache is doing; asked again every few seconds. */
export function useCacheState() {
  return useQuery({
    queryKey: adminKeys.cache,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/cache", { signal })),
    refetchInterval: EVERY_MS,
    staleTime: 0,
  });
}
