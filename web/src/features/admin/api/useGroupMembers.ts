import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** Who is in a group, a page at a time. */
export function useGroupMembers(groupId: string) {
  return useInfiniteQuery({
    queryKey: adminKeys.members(groupId),
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/v1/groups/{group_id}/members", {
          params: { path: { group_id: groupId }, query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}
