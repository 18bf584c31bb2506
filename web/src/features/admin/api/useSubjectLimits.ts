import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** How the limits of a key, person or group stand. */
export function useSubjectLimits(subject: string) {
  return useQuery({
    queryKey: adminKeys.limits(subject),
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/limits/{subject}", { params: { path: { subject } }, signal })),
    staleTime: 0,
  });
}
