/** How long a new key may live. */
export const LIFETIMES = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "One year" },
  { value: "", label: "No expiry" },
] as const;

const DAY_MS = 86_400_000;

/** The moment a key of so many days ends, or null for one that does not. */
export function expiryOf(days: string, now: number = Date.now()): string | null {
  return days === "" ? null : new Date(now + Number(days) * DAY_MS).toISOString();
}

export function hasExpired(expiresAt: string | null, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now;
}
