import type { Limits, LimitsBody } from "@/lib/api";
import { usdProblem } from "@/lib/money";

/** What the form of limits holds: empty is no limit. Amounts of money are text, as they are on the wire. */
export type LimitsValues = {
  is_choosy: boolean;
  models: string[];
  requests_per_minute: number | string;
  tokens_per_minute: number | string;
  max_parallel: number | string;
  budget_usd: string;
  budget_tokens: number | string;
  budget_period: Limits["budget_period"];
  guards: string[];
};
export type LimitField = keyof LimitsValues;

/** Names of the fields, for the server's word about one of them. */
export const LIMIT_FIELDS: readonly LimitField[] = [
  "models",
  "requests_per_minute",
  "tokens_per_minute",
  "max_parallel",
  "budget_usd",
  "budget_tokens",
  "budget_period",
  "guards",
];

export const PERIODS: readonly { value: Limits["budget_period"]; label: string }[] = [
  { value: "day", label: "each day" },
  { value: "week", label: "each week" },
  { value: "month", label: "each month" },
  { value: "total", label: "once, for all time" },
];

export function limitsValuesOf(limits: Limits | null): LimitsValues {
  return {
    is_choosy: limits !== null && limits.models !== null,
    models: limits?.models ?? [],
    requests_per_minute: limits?.requests_per_minute ?? "",
    tokens_per_minute: limits?.tokens_per_minute ?? "",
    max_parallel: limits?.max_parallel ?? "",
    budget_usd: limits?.budget_usd ?? "",
    budget_tokens: limits?.budget_tokens ?? "",
    budget_period: limits?.budget_period ?? "month",
    guards: limits?.guards ?? [],
  };
}

/** The body to send; null when nothing is limited. */
export function limitsBodyOf(values: LimitsValues): LimitsBody | null {
  const body = {
    models: values.is_choosy ? values.models : null,
    requests_per_minute: wholeOf(values.requests_per_minute),
    tokens_per_minute: wholeOf(values.tokens_per_minute),
    max_parallel: wholeOf(values.max_parallel),
    budget_usd: values.budget_usd.trim() || null,
    budget_tokens: wholeOf(values.budget_tokens),
    guards: values.guards,
  };
  const isLimited = body.guards.length > 0 || Object.values(body).some((value) => value !== null && !Array.isArray(value));
  return isLimited || body.models !== null ? { ...body, budget_period: values.budget_period } : null;
}

function wholeOf(value: number | string): number | null {
  return value === "" ? null : Number(value);
}

export const LIMIT_RULES = { budget_usd: usdProblem };
