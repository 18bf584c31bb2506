import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

/** Every model group, of the settings and of this page. */
export function useModelGroups() {
  return useQuery({
    queryKey: adminKeys.modelGroups,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/model-groups", { signal })).items,
  });
}
