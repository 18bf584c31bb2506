import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { usageKeys } from "./keys";

const EVERY_MS = 2000;

/** The last minute of this server, asked again and again. For administrators. */
export function useLiveUsage() {
  return useQuery({
    queryKey: usageKeys.live,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/usage/live", { signal })),
    refetchInterval: EVERY_MS,
    staleTime: 0,
  });
}
