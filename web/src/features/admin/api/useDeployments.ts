import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

const EVERY_MS = 5000;

/** The model servers Alcove may ask, with how each does; asked again every few seconds. */
export function useDeployments() {
  return useInfiniteQuery({
    queryKey: adminKeys.deployments,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/deployments", { signal })),
    initialPageParam: "",
    refetchInterval: EVERY_MS,
    getNextPageParam: (page) => page.next_cursor,
  });
}
