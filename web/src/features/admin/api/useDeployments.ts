import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** The model servers Alcove may ask. */
export function useDeployments() {
  return useInfiniteQuery({
    queryKey: adminKeys.deployments,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/deployments", { signal })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}
