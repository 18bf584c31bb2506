import type { Limits } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { formatUsd } from "@/lib/money";

const PER: Record<Limits["budget_period"], string> = { day: " a day", week: " a week", month: " a month", total: " in all" };

/** Limits in a few words each: "2 models", "60 requests/min", "$20.00 a month". Empty when nothing is limited. */
export function limitWords(limits: Limits | null): string[] {
  if (limits === null) return [];
  const words: (string | null)[] = [
    limits.models === null ? null : modelWords(limits.models),
    limits.requests_per_minute === null ? null : `${formatCount(limits.requests_per_minute)} requests/min`,
    limits.tokens_per_minute === null ? null : `${formatCount(limits.tokens_per_minute)} tokens/min`,
    limits.max_parallel === null ? null : `${formatCount(limits.max_parallel)} at a time`,
    limits.budget_usd === null ? null : `${formatUsd(limits.budget_usd)}${PER[limits.budget_period]}`,
    limits.budget_tokens === null ? null : `${formatCount(limits.budget_tokens)} tokens${PER[limits.budget_period]}`,
    limits.guards.length === 0 ? null : `guards: ${limits.guards.join(", ")}`,
  ];
  return words.filter((word) => word !== null);
}

function modelWords(models: readonly string[]): string {
  if (models.length === 0) return "no model";
  return models.length <= 2 ? `only ${models.join(", ")}` : `only ${models.length} models`;
}
