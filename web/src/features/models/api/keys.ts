/** Names of the cached answers of this feature. */
export const localKeys = {
  models: ["local-models", "installed"] as const,
  known: ["local-models", "known"] as const,
  pulls: ["local-models", "pulls"] as const,
};
