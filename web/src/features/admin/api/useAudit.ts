import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** One page of the audit log, newest first. */
export function useAudit(cursor: string) {
  return useQuery({
    queryKey: adminKeys.audit(cursor),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/audit", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } }, signal })),
    placeholderData: keepPreviousData,
  });
}
