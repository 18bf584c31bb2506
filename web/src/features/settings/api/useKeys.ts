import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { settingsKeys } from "./keys";

/** The person's own API keys; the secrets are not among what the server knows. */
export function useKeys() {
  return useInfiniteQuery({
    queryKey: settingsKeys.keys,
    queryFn: async ({ pageParam, signal }) =>
      dataOf(await api.GET("/api/v1/keys", { params: { query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}
