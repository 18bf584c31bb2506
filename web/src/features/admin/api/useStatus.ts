import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

const EVERY_MS = 5000;

/** Health of every part; `isLive` asks again every few seconds. */
export function useStatus(isLive: boolean) {
  return useQuery({
    queryKey: adminKeys.status,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/status", { signal })),
    refetchInterval: isLive ? EVERY_MS : false,
    staleTime: 0,
  });
}
