import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { localKeys } from "./keys";

const LIVE_MS = 60_000;
const BLIND_MS = 5000;

/** What is installed. Its states come by the event stream; while that is cut off, the list is asked more often. */
export function useLocalModels(isLive: boolean) {
  return useQuery({
    queryKey: localKeys.models,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/runtime/models", { signal })),
    refetchInterval: isLive ? LIVE_MS : BLIND_MS,
    staleTime: 0,
  });
}
