/** Names of the cached answers of this feature. */
export const settingsKeys = {
  keys: ["keys"] as const,
  exampleModel: ["settings", "example-model"] as const,
};
