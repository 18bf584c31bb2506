import type { DeploymentOptions, DeploymentOptionsBody } from "@/lib/api";
import { usdProblem } from "@/lib/money";
import { CACHE_FIELDS, cachePolicyOf, type CacheValues, cacheValuesOf } from "./cachePolicy";

/** What the form holds of a deployment's options: empty is the default. Prices are text, as they are on the wire. */
export type OptionsValues = CacheValues & {
  max_parallel: number | string;
  max_waiting: number | string;
  max_wait_s: number | string;
  connect_timeout_s: number | string;
  first_token_timeout_s: number | string;
  total_timeout_s: number | string;
  weight: number | string;
  input_usd: string;
  output_usd: string;
  cached_input_usd: string;
  access_groups: string[];
  guards: string[];
  health_check: DeploymentOptions["health_check"];
  health_model: string;
};

export const OPTION_FIELDS: readonly (keyof OptionsValues)[] = [
  "max_parallel",
  "max_waiting",
  "max_wait_s",
  "connect_timeout_s",
  "first_token_timeout_s",
  "total_timeout_s",
  "weight",
  "input_usd",
  "output_usd",
  "cached_input_usd",
  "access_groups",
  "guards",
  "health_check",
  "health_model",
  ...CACHE_FIELDS,
];

const DEFAULT_WAITING = 100;
const DEFAULT_WAIT_S = 10;

export const HEALTH_CHECKS: readonly { value: DeploymentOptions["health_check"]; label: string }[] = [
  { value: "off", label: "Off: only calls tell" },
  { value: "models", label: "Ask for its list of models" },
  { value: "call", label: "Have a model write one token" },
];

export function optionsValuesOf(options: DeploymentOptions | undefined): OptionsValues {
  return {
    max_parallel: options?.max_parallel ?? "",
    max_waiting: options?.max_waiting ?? DEFAULT_WAITING,
    max_wait_s: options?.max_wait_s ?? DEFAULT_WAIT_S,
    connect_timeout_s: options?.connect_timeout_s ?? "",
    first_token_timeout_s: options?.first_token_timeout_s ?? "",
    total_timeout_s: options?.total_timeout_s ?? "",
    weight: options?.weight ?? 1,
    input_usd: options?.prices?.input_usd ?? "",
    output_usd: options?.prices?.output_usd ?? "",
    cached_input_usd: options?.prices?.cached_input_usd ?? "",
    access_groups: options?.access_groups ?? [],
    guards: options?.guards ?? [],
    health_check: options?.health_check ?? "off",
    health_model: options?.health_model ?? "",
    ...cacheValuesOf(options?.cache),
  };
}

/** The options to send, always whole. */
export function optionsBodyOf(values: OptionsValues): DeploymentOptionsBody {
  const hasPrices = Boolean(values.input_usd.trim() || values.output_usd.trim() || values.cached_input_usd.trim());
  return {
    max_parallel: numberOf(values.max_parallel),
    max_waiting: numberOf(values.max_waiting) ?? DEFAULT_WAITING,
    max_wait_s: numberOf(values.max_wait_s) ?? DEFAULT_WAIT_S,
    connect_timeout_s: numberOf(values.connect_timeout_s),
    first_token_timeout_s: numberOf(values.first_token_timeout_s),
    total_timeout_s: numberOf(values.total_timeout_s),
    weight: numberOf(values.weight) ?? 1,
    prices: hasPrices
      ? {
          input_usd: values.input_usd.trim() || "0",
          output_usd: values.output_usd.trim() || "0",
          cached_input_usd: values.cached_input_usd.trim() || null,
        }
      : null,
    access_groups: values.access_groups,
    guards: values.guards,
    cache: cachePolicyOf(values),
    health_check: values.health_check,
    health_model: values.health_model.trim() || null,
  };
}

function numberOf(value: number | string): number | null {
  return value === "" ? null : Number(value);
}

export const OPTION_RULES = { input_usd: usdProblem, output_usd: usdProblem, cached_input_usd: usdProblem };
