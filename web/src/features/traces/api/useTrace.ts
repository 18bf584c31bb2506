import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { traceKeys } from "./keys";

/** One trace with everything observed in it. */
export function useTrace(id: string) {
  return useQuery({
    queryKey: traceKeys.one(id),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/traces/{trace_id}", { params: { path: { trace_id: id } }, signal })),
    staleTime: 60_000,
  });
}
