import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Pull } from "@/lib/api";
import { justEnded } from "../model/pulls";
import { localKeys } from "./keys";
import { modelsChanged } from "./modelsChanged";

const BUSY_MS = 1000;
const IDLE_MS = 15_000;

/** Pulls under way and those that ended lately. The server owns them: they go on without the page, and are here again after a reload. */
export function usePulls() {
  const client = useQueryClient();
  return useQuery({
    queryKey: localKeys.pulls,
    queryFn: async ({ signal }) => {
      const pulls = dataOf(await api.GET("/api/v1/runtime/pulls", { signal })).items;
      const before = client.getQueryData<Pull[]>(localKeys.pulls) ?? [];
      if (justEnded(before, pulls)) void modelsChanged(client);
      return pulls;
    },
    refetchInterval: ({ state }) => (state.data?.some((pull) => pull.state === "running") ? BUSY_MS : IDLE_MS),
    staleTime: 0,
  });
}
