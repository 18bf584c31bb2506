import type { QueryClient } from "@tanstack/react-query";
import { localKeys } from "./keys";

/** After a change to what is installed: every list of models on the page is asked again. */
export async function modelsChanged(client: QueryClient): Promise<void> {
  await Promise.all([
    client.invalidateQueries({ queryKey: localKeys.models }),
    client.invalidateQueries({ queryKey: localKeys.known }),
    client.invalidateQueries({ queryKey: ["models"] }),
  ]);
}
