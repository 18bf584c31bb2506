import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import type { Breakdown } from "../model/breakdown";
import { type Scope, scopeQuery } from "../model/scope";
import { usageKeys } from "./keys";

type Cut = { by?: Breakdown; interval?: "hour" | "day" };

const EVERY_MS = 30_000;

/** Sums of calls, cut by what and by time. */
export function useUsageSummary(scope: Scope, cut: Cut) {
  return useQuery({
    queryKey: usageKeys.summary(scope, cut.by ?? "", cut.interval ?? "all"),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/usage/summary", { params: { query: { ...scopeQuery(scope), ...cut } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY_MS,
  });
}
