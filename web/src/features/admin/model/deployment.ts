import type { Deployment, DeploymentCreate } from "@/lib/api";
import { optionsBodyOf, type OptionsValues, optionsValuesOf } from "./deploymentOptions";

/** What the form of a model server holds; `models` is a text with one id per line. */
export type DeploymentValues = OptionsValues & {
  name: string;
  provider: Deployment["provider"];
  base_url: string;
  api_key: string;
  models: string;
};

type ProviderKind = { label: string; example: string };

/** Every kind of server the API knows; the type makes sure that none is missing here. */
const KINDS: Record<Deployment["provider"], ProviderKind> = {
  openai: { label: "OpenAI-compatible", example: "https://api.example.com/v1" },
  ollama: { label: "Ollama", example: "http://127.0.0.1:11434" },
  anthropic: { label: "Anthropic", example: "https://api.anthropic.com" },
  fake: { label: "Built-in fake", example: "" },
  local: { label: "Local models", example: "" },
};
/** Those that can be added: the models of this machine are there by themselves. */
export const PROVIDERS = Object.entries(KINDS)
  .filter(([value]) => value !== "local")
  .map(([value, { label }]) => ({ value, label }));

/** The built-in fake server and the models of this machine have no address and no key. */
export function hasAddress(provider: Deployment["provider"]): boolean {
  return provider !== "fake" && provider !== "local";
}

export function exampleAddress(provider: Deployment["provider"]): string {
  return KINDS[provider].example;
}

export const SOURCES: Record<Deployment["source"], { label: string; explanation: string }> = {
  admin: { label: "added here", explanation: "Added on this page." },
  settings: { label: "from settings", explanation: "Written in the settings of this installation; change it there." },
  discovered: { label: "discovered", explanation: "Found running on this computer." },
};

export function providerLabel(provider: Deployment["provider"]): string {
  return KINDS[provider].label;
}

export function valuesOf(deployment: Deployment | undefined): DeploymentValues {
  return {
    name: deployment?.name ?? "",
    provider: deployment?.provider ?? "openai",
    base_url: deployment?.base_url ?? "",
    api_key: "",
    models: deployment?.models.join("\n") ?? "",
    ...optionsValuesOf(deployment?.options),
  };
}

// The API wants an address of every server, and gives the fake one the only one it has.
const NOWHERE = "http://fake.invalid/v1";

/** The body to send: an empty key is left out, so that the one on the server stays. */
export function bodyOf(values: DeploymentValues): DeploymentCreate {
  const key = values.api_key.trim();
  return {
    name: values.name.trim(),
    provider: values.provider,
    base_url: hasAddress(values.provider) ? values.base_url.trim() : NOWHERE,
    models: values.models
      .split(/[\n,]/)
      .map((model) => model.trim())
      .filter(Boolean),
    options: optionsBodyOf(values),
    ...(key && hasAddress(values.provider) ? { api_key: key } : {}),
  };
}

/** Why a name cannot stand before a model's, as in `lab/llama`, or null. */
export function nameProblem(text: string): string | null {
  const name = text.trim();
  if (!name) return "Give the server a name.";
  if (name.length > 63) return "Use at most 63 characters.";
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) ? null : "Use letters, digits, dots, dashes and underscores, without spaces.";
}

/** Why an address cannot be one of a model server, or null. */
export function addressProblem(text: string): string | null {
  try {
    const { protocol } = new URL(text.trim());
    return protocol === "http:" || protocol === "https:" ? null : "The address begins with http:// or https://.";
  } catch {
    return "Enter a whole address, such as http://127.0.0.1:11434.";
  }
}

/** What may be said of a stored key; a short one has no hint, because four characters of it would say too much. */
export function keyText(hint: string | null): string {
  if (hint === null) return "no key";
  return hint ? `key ending in ${hint}` : "key set";
}
