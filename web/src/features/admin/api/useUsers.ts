import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** Everyone who may sign in, a page at a time. */
export function useUsers() {
  return useInfiniteQuery({
    queryKey: adminKeys.users,
    queryFn: async ({ pageParam, signal }) =>
      dataOf(await api.GET("/api/v1/users", { params: { query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}
