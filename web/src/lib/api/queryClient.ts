import { QueryClient } from "@tanstack/react-query";
import { ApiProblem } from "./problem";

/** Server state of the page. A refusal is final; only an unreachable or overloaded server is asked again. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) =>
          failures < 2 && (!(error instanceof ApiProblem) || error.status === 0 || error.status === 502 || error.status === 503),
      },
      mutations: { retry: false },
    },
  });
}
