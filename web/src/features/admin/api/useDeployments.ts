import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** The model servers Alcove may ask. */
export function useDeployments() {
  return useInfiniteQuery({
    queryKey: adminKeys.deployments,
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/v1/deployments", { params: { query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } }, signal }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}
