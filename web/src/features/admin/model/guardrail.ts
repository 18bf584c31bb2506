import type { Guardrail, GuardrailCreate, GuardRule, GuardRuleBody, Sensitive } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { listOf } from "./words";

/** A row of the form; `key` tells rows apart while they are edited. */
export type PatternValues = { key: string; text: string };

/** What the form of a guardrail holds: the fields of every kind, of which those of `kind` are sent. */
export type GuardrailValues = {
  name: string;
  kind: GuardRule["kind"];
  always_on: boolean;
  finds: Sensitive[];
  masks_output: boolean;
  /** One word or phrase per line. */
  words: string;
  patterns: PatternValues[];
  is_case_sensitive: boolean;
  looks_at: "both" | "input" | "output";
  action: "refuse" | "mask";
  message: string;
  window: number | string;
  max_characters: number | string;
  max_tokens: number | string;
  max_messages: number | string;
  max_images: number | string;
};

export const GUARDRAIL_FIELDS: readonly (keyof GuardrailValues)[] = [
  "name",
  "finds",
  "masks_output",
  "words",
  "patterns",
  "is_case_sensitive",
  "looks_at",
  "action",
  "message",
  "window",
  "max_characters",
  "max_tokens",
  "max_messages",
  "max_images",
];

type KindWords = { label: string; badge: string; explanation: string };

/** Every kind of guardrail, with what it is for; the types make sure that none is missing here or below. */
const KIND_WORDS: Record<GuardRule["kind"], KindWords> = {
  redact: {
    label: "Hide secrets and personal data",
    badge: "hides data",
    explanation: "Models get stand-ins such as <EMAIL_1>; the answer has the real ones again.",
  },
  block: { label: "Ban words and patterns",
    badge: "bans words", explanation: "Refuses what has them, or blackens them, in questions and in answers." },
  limit_prompt: { label: "Limit the size of requests",
    badge: "limits size", explanation: "Refuses requests that are too large for what you want to allow." },
};
export const KINDS = Object.entries(KIND_WORDS).map(([value, { label }]) => ({ value, label }));

export function kindWords(kind: GuardRule["kind"]): KindWords {
  return KIND_WORDS[kind];
}

const SENSITIVE_WORDS: Record<Sensitive, { label: string; one: string; many: string }> = {
  secret: { label: "Secrets: keys, passwords, tokens", one: "secret", many: "secrets" },
  email: { label: "Email addresses", one: "email address", many: "email addresses" },
  phone: { label: "Phone numbers", one: "phone number", many: "phone numbers" },
  iban: { label: "Bank accounts (IBAN)", one: "bank account", many: "bank accounts" },
  card: { label: "Payment cards", one: "payment card", many: "payment cards" },
  ip: { label: "IP addresses", one: "IP address", many: "IP addresses" },
  national_id: { label: "National numbers (ES, FR, DE, PL, US)", one: "national number", many: "national numbers" },
};
const EVERYTHING = Object.keys(SENSITIVE_WORDS) as Sensitive[];
export const FINDS = EVERYTHING.map((value) => ({ value, label: SENSITIVE_WORDS[value].label }));

export const DIRECTIONS: readonly { value: GuardrailValues["looks_at"]; label: string }[] = [
  { value: "both", label: "Questions and answers" },
  { value: "input", label: "Questions only" },
  { value: "output", label: "Answers only" },
];

export const BLOCK_ACTIONS: readonly { value: GuardrailValues["action"]; label: string; explanation: string }[] = [
  { value: "refuse", label: "Refuse", explanation: "The request is refused, or the answer ends there." },
  { value: "mask", label: "Blacken", explanation: "███ takes their place, and the rest goes on." },
];

const DEFAULT_WINDOW = 256;
const MOST_WORDS = 1000;
const LONGEST_WORD = 100;
export const MOST_PATTERNS = 100;
export const LONGEST_PATTERN = 500;

export function newPattern(text = ""): PatternValues {
  return { key: crypto.randomUUID(), text };
}

export function guardrailValuesOf(guardrail: Guardrail | undefined): GuardrailValues {
  const rule = guardrail?.rule;
  const redact = rule?.kind === "redact" ? rule : null;
  const block = rule?.kind === "block" ? rule : null;
  const limit = rule?.kind === "limit_prompt" ? rule : null;
  return {
    name: guardrail?.name ?? "",
    kind: rule?.kind ?? "redact",
    always_on: guardrail?.always_on ?? false,
    finds: redact?.finds ?? EVERYTHING,
    masks_output: redact?.masks_output ?? false,
    words: block?.words.join("\n") ?? "",
    patterns: block?.patterns.map(newPattern) ?? [],
    is_case_sensitive: block?.is_case_sensitive ?? false,
    looks_at: block?.looks_at.length === 1 ? (block.looks_at[0] ?? "both") : "both",
    action: block?.action ?? "refuse",
    message: block?.message ?? "",
    window: block?.window ?? DEFAULT_WINDOW,
    max_characters: limit?.max_characters ?? "",
    max_tokens: limit?.max_tokens ?? "",
    max_messages: limit?.max_messages ?? "",
    max_images: limit?.max_images ?? "",
  };
}

export function ruleOf(values: GuardrailValues): GuardRuleBody {
  switch (values.kind) {
    case "redact":
      return { kind: "redact", finds: values.finds, masks_output: values.masks_output };
    case "block":
      return {
        kind: "block",
        words: linesOf(values.words),
        patterns: values.patterns.map(({ text }) => text),
        is_case_sensitive: values.is_case_sensitive,
        looks_at: values.looks_at === "both" ? ["input", "output"] : [values.looks_at],
        action: values.action,
        message: values.message.trim(),
        window: numberOf(values.window) ?? DEFAULT_WINDOW,
      };
    case "limit_prompt":
      return {
        kind: "limit_prompt",
        max_characters: numberOf(values.max_characters),
        max_tokens: numberOf(values.max_tokens),
        max_messages: numberOf(values.max_messages),
        max_images: numberOf(values.max_images),
      };
  }
}

export function guardrailBodyOf(values: GuardrailValues): GuardrailCreate {
  return { name: values.name.trim(), rule: ruleOf(values), always_on: values.always_on };
}

/** Rules of the form, beside those of the server. */
export const GUARDRAIL_RULES = {
  name: (name: string) => guardNameProblem(name),
  finds: (finds: readonly Sensitive[], { kind }: GuardrailValues) =>
    kind === "redact" && finds.length === 0 ? "Choose at least one." : null,
  words: (words: string, { kind, patterns }: GuardrailValues) => (kind === "block" ? wordsProblem(words, patterns.length) : null),
  patterns: {
    text: (text: string, { kind }: GuardrailValues) => (kind === "block" && text === "" ? "Write a pattern, or remove it." : null),
  },
  max_characters: (_: unknown, values: GuardrailValues) =>
    values.kind === "limit_prompt" && LIMITS.every((field) => values[field] === "") ? "Set at least one limit." : null,
};
const LIMITS = ["max_characters", "max_tokens", "max_messages", "max_images"] as const;

/** Why a guardrail cannot be called so, or null. */
export function guardNameProblem(text: string): string | null {
  const name = text.trim();
  if (!name) return "Give the guardrail a name.";
  return /^[a-z0-9][a-z0-9._-]{0,62}$/.test(name) ? null : "Use small letters, digits, dots, dashes and underscores, 63 at most.";
}

function wordsProblem(words: string, patterns: number): string | null {
  const lines = linesOf(words);
  if (lines.length === 0 && patterns === 0) return "Write at least one word or pattern.";
  if (lines.length > MOST_WORDS) return `Use at most ${formatCount(MOST_WORDS)} words.`;
  const long = lines.find((line) => line.length > LONGEST_WORD);
  return long === undefined ? null : `“${long.slice(0, 24)}…” is longer than ${LONGEST_WORD} characters.`;
}

/** The server speaks of "rule.block.patterns.1"; that is where the form shows it. Gives the form's path, or null. */
export function patternPath(field: string): string | null {
  const match = /patterns\.(\d+)$/.exec(field);
  return match ? `patterns.${match[1] ?? ""}.text` : null;
}

/** What a rule does, in one sentence. */
export function ruleText(rule: GuardRule): string {
  switch (rule.kind) {
    case "redact": {
      const what = rule.finds.length === EVERYTHING.length ? "secrets and all personal data it knows" : listOf(rule.finds.map((each) => SENSITIVE_WORDS[each].many));
      return `Hides ${what} from models${rule.masks_output ? ", and takes them out of answers" : ""}.`;
    }
    case "block": {
      const parts = [
        ...(rule.words.length > 0 ? [plural(rule.words.length, "word")] : []),
        ...(rule.patterns.length > 0 ? [plural(rule.patterns.length, "pattern")] : []),
      ];
      const where = rule.looks_at.length === 2 ? "questions and answers" : rule.looks_at[0] === "input" ? "questions" : "answers";
      return `${rule.action === "refuse" ? "Refuses" : "Blackens"} ${listOf(parts)} in ${where}.`;
    }
    case "limit_prompt": {
      const parts = [
        ...(rule.max_characters === null ? [] : [plural(rule.max_characters, "character")]),
        ...(rule.max_tokens === null ? [] : [plural(rule.max_tokens, "token")]),
        ...(rule.max_messages === null ? [] : [plural(rule.max_messages, "message")]),
        ...(rule.max_images === null ? [] : [plural(rule.max_images, "image")]),
      ];
      return `Allows at most ${listOf(parts)} in a request.`;
    }
  }
}

const SHOWN = 8;

/** The first words and patterns that a rule bans. */
export function bannedText({ words, patterns }: Pick<Extract<GuardRule, { kind: "block" }>, "words" | "patterns">): string {
  const all = [...words, ...patterns];
  return `${all.slice(0, SHOWN).join(", ")}${all.length > SHOWN ? ` and ${all.length - SHOWN} more` : ""}`;
}

const ACTION_WORDS: Record<string, string> = { redact: "hid", mask: "blackened", refuse: "refused" };

/** What it did since the server was started, in a few words. */
export function actionsText(actions: Record<string, number>): string {
  const parts = Object.entries(actions).map(([action, count]) => `${ACTION_WORDS[action] ?? action} ${plural(count, "time")}`);
  return parts.length === 0 ? "not used since the start" : `${listOf(parts)} since the start`;
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

function numberOf(value: number | string): number | null {
  return value === "" ? null : Number(value);
}

/** What was found in a text, in a few words: "2 email addresses and 1 secret". */
export function foundText(found: Record<string, number>): string {
  return listOf(
    Object.entries(found).map(([what, count]) =>
      isSensitive(what) ? plural(count, SENSITIVE_WORDS[what].one, SENSITIVE_WORDS[what].many) : plural(count, "match", "matches"),
    ),
  );
}

function isSensitive(what: string): what is Sensitive {
  return what in SENSITIVE_WORDS;
}
