/** Names of the cached answers of this feature. */
export const adminKeys = {
  users: ["admin", "users"] as const,
  deployments: ["admin", "deployments"] as const,
  modelGroups: ["admin", "model-groups"] as const,
  members: (groupId: string) => ["groups", "members", groupId] as const,
  limits: (subject: string) => ["limits", subject] as const,
  pattern: (text: string) => ["admin", "pattern", text] as const,
  cache: ["admin", "cache"] as const,
  status: ["admin", "status"] as const,
  audit: (cursor: string) => ["admin", "audit", cursor] as const,
};
