import type { CachePolicy, CacheRule, Deployment, ModelGroup } from "@/lib/api";
import { plural } from "@/lib/format";

/** What a form holds of a cache policy. */
export type CacheValues = {
  cache_mode: CachePolicy["mode"] | "off";
  ttl_s: number | string;
  threshold: number | string;
  is_shared: boolean;
};

export const CACHE_FIELDS: readonly (keyof CacheValues)[] = ["cache_mode", "ttl_s", "threshold", "is_shared"];

export const CACHE_MODES: readonly { value: CacheValues["cache_mode"]; label: string }[] = [
  { value: "off", label: "Off" },
  { value: "exact", label: "The very same request" },
  { value: "semantic", label: "Also one that means the same" },
];

const DEFAULT_TTL_S = 3600;
const DEFAULT_THRESHOLD = 0.95;

export function cacheValuesOf(policy: CachePolicy | null | undefined): CacheValues {
  return {
    cache_mode: policy?.mode ?? "off",
    ttl_s: policy?.ttl_s ?? DEFAULT_TTL_S,
    threshold: policy?.threshold ?? DEFAULT_THRESHOLD,
    is_shared: policy?.is_shared ?? false,
  };
}

/** The policy to send; null for no cache. */
export function cachePolicyOf(values: CacheValues): CachePolicy | null {
  if (values.cache_mode === "off") return null;
  return {
    mode: values.cache_mode,
    ttl_s: values.ttl_s === "" ? DEFAULT_TTL_S : Number(values.ttl_s),
    threshold: values.threshold === "" ? DEFAULT_THRESHOLD : Number(values.threshold),
    is_shared: values.is_shared,
  };
}

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
] as const;

/** "2 hours", "90 seconds": exact, in the largest unit that has no rest. */
export function lastingText(seconds: number): string {
  const [length, unit] = UNITS.find(([each]) => seconds % each === 0) ?? [1, "second"];
  return plural(seconds / length, unit);
}

/** A policy in one sentence. */
export function policyText({ mode, ttl_s: ttlS, threshold, is_shared: isShared }: CachePolicy): string {
  const what = mode === "exact" ? "The very same request" : `Also a question that means the same (${threshold} alike)`;
  return `${what}, for ${lastingText(ttlS)}, ${isShared ? "for everybody" : "each person their own"}.`;
}

/** Something whose answers may be kept, and what it says of that. */
export type CachePlace = { key: string; name: string; note: string; isOurs: boolean; policy: CachePolicy | null } & (
  | { kind: "group"; group: ModelGroup }
  | { kind: "server"; deployment: Deployment }
  | { kind: "rule" }
);

/** Every place that can have a policy, in the order in which they count. */
export function cachePlacesOf(groups: readonly ModelGroup[], deployments: readonly Deployment[], rules: readonly CacheRule[]): CachePlace[] {
  return [
    ...groups.map((group): CachePlace => ({
      kind: "group",
      group,
      key: `group-${group.id}`,
      name: group.model,
      note: "model group",
      isOurs: group.source === "admin",
      policy: group.cache,
    })),
    ...deployments.map((deployment): CachePlace => ({
      kind: "server",
      deployment,
      key: `server-${deployment.id}`,
      name: `${deployment.name}/*`,
      note: "model server",
      isOurs: deployment.source === "admin",
      policy: deployment.options.cache,
    })),
    ...rules.map((rule, index): CachePlace => ({
      kind: "rule",
      key: `rule-${index}`,
      name: rule.models,
      note: "rule",
      isOurs: false,
      policy: rule,
    })),
  ];
}
