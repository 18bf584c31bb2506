import type { Key, KeyUpdate, Scope } from "@/lib/api";
import { limitWords, limitsBodyOf, type LimitsValues, limitsValuesOf } from "@/ui/Limits";

/** What the form of a key holds beside its name and end. */
export type KeyTerms = LimitsValues & {
  scopes: Scope[];
  allowed_ips: string[];
  group_id: string;
};

/** Every scope there is, with what it lets a key do; the type makes sure that none is missing. */
const SCOPE_LABELS: Record<Scope, string> = {
  chat: "Chat and completions",
  embedding: "Embeddings",
  rerank: "Rerank",
  moderation: "Moderation",
  image: "Images",
  transcription: "Transcription",
  speech: "Speech",
  api: "Everything else of Alcove",
};
export const SCOPES = Object.entries(SCOPE_LABELS).map(([value, label]) => ({ value, label }));

export function keyTermsOf(key?: Key): KeyTerms {
  return {
    ...limitsValuesOf(key?.limits ?? null),
    scopes: (key?.scopes ?? []).filter((scope): scope is Scope => scope in SCOPE_LABELS),
    allowed_ips: key?.allowed_ips ?? [],
    group_id: key?.group_id ?? "",
  };
}

/** The body to send; no scope chosen means all. */
export function keyTermsBodyOf(terms: KeyTerms): Required<Pick<KeyUpdate, "scopes" | "allowed_ips" | "group_id" | "limits">> {
  return {
    scopes: terms.scopes.length > 0 ? terms.scopes : null,
    allowed_ips: terms.allowed_ips,
    group_id: terms.group_id || null,
    limits: limitsBodyOf(terms),
  };
}

/** What a key is held to, in a few words each. */
export function termWords(key: Key, groupName: string | undefined): string[] {
  return [
    ...(key.group_id === null ? [] : [`charged to ${groupName ?? "a group"}`]),
    ...(key.scopes === null ? [] : [`for ${key.scopes.join(", ")}`]),
    ...limitWords(key.limits),
    ...(key.allowed_ips.length === 0 ? [] : [`from ${key.allowed_ips.join(", ")}`]),
  ];
}
