/** Names of the cached answers of this feature. */
export const adminKeys = {
  users: ["admin", "users"] as const,
  deployments: ["admin", "deployments"] as const,
  status: ["admin", "status"] as const,
  audit: (cursor: string) => ["admin", "audit", cursor] as const,
};
