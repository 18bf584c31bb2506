import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { api, ApiProblem, dataOf } from "@/lib/api";
import { adminKeys } from "./keys";

const PAUSE_MS = 400;

/** Why a pattern is none, in the server's words, a moment after it was written; null while nothing is known against it. */
export function usePatternProblem(text: string): string | null {
  const [pattern] = useDebouncedValue(text, PAUSE_MS);
  const { error } = useQuery({
    queryKey: adminKeys.pattern(pattern),
    queryFn: async ({ signal }) =>
      dataOf(await api.POST("/api/v1/guardrails/test", { body: { rule: { kind: "block", patterns: [pattern] }, text: "-" }, signal })).action,
    enabled: pattern !== "" && pattern === text,
    staleTime: Infinity,
    retry: false,
  });
  return error instanceof ApiProblem && pattern === text ? (Object.values(error.fields)[0] ?? null) : null;
}
