import type { DeploymentHealth } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { formatDuration } from "@/lib/time";

export type Mood = "unknown" | "well" | "strained" | "ill";

/** How a deployment does, in one word for the eye and one for the ear. */
export function moodOf({ state, requests, is_reached: isReached, spared_models: spared }: DeploymentHealth): { mood: Mood; label: string } {
  if (state === "open" && spared.length > 0) return { mood: "strained", label: "some models fail and are spared" };
  if (state === "open") return { mood: "ill", label: "failing, spared for now" };
  if (state === "half_open") return { mood: "strained", label: "being tried again" };
  if (state === "limited") return { mood: "strained", label: "limited by its vendor" };
  if (isReached === false) return { mood: "ill", label: "not reached" };
  return requests > 0 || isReached ? { mood: "well", label: "healthy" } : { mood: "unknown", label: "not asked yet" };
}

/** "2 under way", "34 requests, 2 failed", "first token 0.4 ms". */
export function healthWords(health: DeploymentHealth): string[] {
  return [
    ...(health.in_flight > 0 ? [`${formatCount(health.in_flight)} under way`] : []),
    ...(health.waiting > 0 ? [`${formatCount(health.waiting)} waiting`] : []),
    ...(health.requests > 0 ? [`${plural(health.requests, "request")}${health.failures > 0 ? `, ${formatCount(health.failures)} failed` : ""}`] : []),
    ...(health.first_token_ms === null ? [] : [`first token ${formatDuration(health.first_token_ms)}`]),
    ...(health.spared_models.length > 0 ? [`spared: ${health.spared_models.join(", ")}`] : []),
  ];
}
