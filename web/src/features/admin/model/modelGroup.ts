import type { ModelGroup, ModelGroupCreate } from "@/lib/api";
import { cachePolicyOf, type CacheValues, cacheValuesOf } from "./cachePolicy";

/** A row of the form; `key` tells rows apart while they are edited. */
export type MemberValues = { key: string; deployment: string; model: string; weight: number | string; order: number | string };

/** What the form of a model group holds; empty is the default. */
export type ModelGroupValues = CacheValues & {
  model: string;
  description: string;
  members: MemberValues[];
  strategy: ModelGroup["strategy"];
  retries: number | string;
  hedge_after_ms: number | string;
  on_error: string[];
  on_context_overflow: string[];
  on_content_policy: string[];
  aliases: string[];
  access_groups: string[];
  guards: string[];
};

export const MODEL_GROUP_FIELDS = [
  "description",
  "strategy",
  "retries",
  "hedge_after_ms",
  "on_error",
  "on_context_overflow",
  "on_content_policy",
  "aliases",
  "access_groups",
  "guards",
  "ttl_s",
  "threshold",
] as const;

/** Every strategy, with what it does; the type makes sure that none is missing. */
const STRATEGY_WORDS: Record<ModelGroup["strategy"], { label: string; explanation: string }> = {
  weighted: { label: "By weight", explanation: "Members get shares of the calls by their weights." },
  least_in_flight: { label: "Least busy", explanation: "The member with the fewest calls under way is asked." },
  lowest_latency: { label: "Quickest", explanation: "The member whose first token came soonest lately is asked." },
  lowest_cost: { label: "Cheapest", explanation: "The member with the lowest price is asked; one without a price comes last." },
  prefix_affinity: {
    label: "Same beginning, same member",
    explanation: "Prompts that begin alike go to one member, so that its own cache of beginnings serves.",
  },
};
export const STRATEGIES = Object.entries(STRATEGY_WORDS).map(([value, { label }]) => ({ value, label }));

export function strategyWords(strategy: ModelGroup["strategy"]): { label: string; explanation: string } {
  return STRATEGY_WORDS[strategy];
}

const DEFAULT_RETRIES = 2;

export function newMember(deployment = ""): MemberValues {
  return { key: crypto.randomUUID(), deployment, model: "", weight: "", order: 0 };
}

export function modelGroupValuesOf(group: ModelGroup | undefined): ModelGroupValues {
  return {
    model: group?.model ?? "",
    description: group?.description ?? "",
    members: group
      ? group.members.map(({ deployment, model, weight, order }) => ({ ...newMember(deployment), model, weight: weight ?? "", order }))
      : [newMember()],
    strategy: group?.strategy ?? "weighted",
    retries: group?.retries ?? DEFAULT_RETRIES,
    hedge_after_ms: group?.hedge_after_ms ?? "",
    on_error: group?.fallbacks.on_error ?? [],
    on_context_overflow: group?.fallbacks.on_context_overflow ?? [],
    on_content_policy: group?.fallbacks.on_content_policy ?? [],
    aliases: group?.aliases ?? [],
    access_groups: group?.access_groups ?? [],
    guards: group?.guards ?? [],
    ...cacheValuesOf(group?.cache),
  };
}

export function modelGroupBodyOf(values: ModelGroupValues): ModelGroupCreate {
  return {
    model: values.model.trim(),
    description: values.description.trim(),
    members: values.members.map(({ deployment, model, weight, order }) => ({
      deployment: deployment.trim(),
      model: model.trim(),
      weight: numberOf(weight),
      order: numberOf(order) ?? 0,
    })),
    strategy: values.strategy,
    retries: numberOf(values.retries) ?? DEFAULT_RETRIES,
    hedge_after_ms: numberOf(values.hedge_after_ms),
    fallbacks: {
      on_error: values.on_error,
      on_context_overflow: values.on_context_overflow,
      on_content_policy: values.on_content_policy,
    },
    aliases: values.aliases,
    access_groups: values.access_groups,
    guards: values.guards,
    cache: cachePolicyOf(values),
  };
}

/** The server speaks of "members.1.model"; that is where the form shows it. Gives the form's path, or null. */
export function memberPath(field: string): string | null {
  const match = /members\.(\d+)\.(deployment|model|weight|order)/.exec(field);
  return match ? `members.${match[1]}.${match[2]}` : null;
}

function numberOf(value: number | string): number | null {
  return value === "" ? null : Number(value);
}
