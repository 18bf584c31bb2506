import type { QueryClient } from "@tanstack/react-query";
import { adminKeys } from "./keys";

/** After a change to a deployment or a model group: their lists, and every list of models on the page, are asked again. */
export async function modelsChanged(client: QueryClient): Promise<void> {
  await Promise.all([
    client.invalidateQueries({ queryKey: adminKeys.deployments }),
    client.invalidateQueries({ queryKey: adminKeys.modelGroups }),
    client.invalidateQueries({ queryKey: ["models"] }),
  ]);
}
