import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { settingsKeys } from "./keys";

const BUILT_IN = "alcove/reader";

/** The id of a model that is there, for an example that runs as it stands. */
export function useExampleModel(): string {
  const { data } = useQuery({
    queryKey: settingsKeys.exampleModel,
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/models", { signal })),
    staleTime: 60_000,
  });
  const chatModels = data?.items.filter((model) => model.kind === "chat") ?? [];
  return (chatModels.find((model) => model.is_default) ?? chatModels[0])?.id ?? BUILT_IN;
}
