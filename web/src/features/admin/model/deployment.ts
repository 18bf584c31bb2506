import type { Deployment, DeploymentCreate } from "@/lib/api";

/** What the form of a model server holds; `models` is a text with one id per line. */
export type DeploymentValues = { name: string; provider: Deployment["provider"]; base_url: string; api_key: string; models: string };

export const PROVIDERS: readonly { value: Deployment["provider"]; label: string; example: string }[] = [
  { value: "openai", label: "OpenAI-compatible", example: "https://api.example.com/v1" },
  { value: "ollama", label: "Ollama", example: "http://127.0.0.1:11434" },
  { value: "anthropic", label: "Anthropic", example: "https://api.anthropic.com" },
];

export const SOURCES: Record<Deployment["source"], { label: string; explanation: string }> = {
  admin: { label: "added here", explanation: "Added on this page." },
  settings: { label: "from settings", explanation: "Written in the settings of this installation; change it there." },
  discovered: { label: "discovered", explanation: "Found running on this computer." },
};

export function providerLabel(provider: Deployment["provider"]): string {
  return PROVIDERS.find(({ value }) => value === provider)?.label ?? provider;
}

export function valuesOf(deployment: Deployment | undefined): DeploymentValues {
  return {
    name: deployment?.name ?? "",
    provider: deployment?.provider ?? "openai",
    base_url: deployment?.base_url ?? "",
    api_key: "",
    models: deployment?.models.join("\n") ?? "",
  };
}

/** The body to send: an empty key is left out, so that the one on the server stays. */
export function bodyOf(values: DeploymentValues): DeploymentCreate {
  const key = values.api_key.trim();
  return {
    name: values.name.trim(),
    provider: values.provider,
    base_url: values.base_url.trim(),
    models: values.models
      .split(/[\n,]/)
      .map((model) => model.trim())
      .filter(Boolean),
    ...(key ? { api_key: key } : {}),
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
