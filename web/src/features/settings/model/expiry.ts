/** How long a new key may live. */
export const LIFETIMES = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "One year" },
  { value: "", label: "No expiry" },
] as const;

/** How long the secret before may still count after a rotation. */
export const GRACES = [
  { value: "0", label: "It ends now" },
  { value: "3600", label: "One more hour" },
  { value: "86400", label: "One more day" },
  { value: "604800", label: "One more week" },
] as const;

const DAY_MS = 86_400_000;

/** The moment a key of so many days ends, or null for one that does not. */
export function expiryOf(days: string, now: number = Date.now()): string | null {
  return days === "" ? null : new Date(now + Number(days) * DAY_MS).toISOString();
}

export function hasExpired(expiresAt: string | null, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now;
}

/** "2026-11-20" where the reader lives, as a date field wants it; "" for a key without an end. */
export function dayOf(at: string | null): string {
  if (at === null) return "";
  const date = new Date(at);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
}

/** The last second of a day where the reader lives, or null for no end. */
export function endOfDay(day: string): string | null {
  return day === "" ? null : new Date(`${day}T23:59:59`).toISOString();
}
