const LEAST_PASSWORD = 8;

export const ROLES = [
  { value: "user", label: "User" },
  { value: "admin", label: "Administrator" },
] as const;

/** Why a password cannot be set, or null. */
export function passwordProblem(password: string): string | null {
  return password.length >= LEAST_PASSWORD ? null : `Use at least ${LEAST_PASSWORD} characters.`;
}
