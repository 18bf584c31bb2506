const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "just now", "5 minutes ago", "yesterday"; after a week, the date. */
export function relativeTime(at: string, now: number = Date.now()): string {
  const age = now - Date.parse(at);
  if (age < 45_000) return "just now";
  if (age < HOUR) return relative.format(-Math.max(1, Math.round(age / MINUTE)), "minute");
  if (age < DAY) return relative.format(-Math.round(age / HOUR), "hour");
  if (age < 7 * DAY) return relative.format(-Math.round(age / DAY), "day");
  return shortDate(at, now);
}

/** "in 5 minutes", "tomorrow", "in 12 days"; "now" when it is past. */
export function untilText(at: string, now: number = Date.now()): string {
  const left = Date.parse(at) - now;
  if (left <= 0) return "now";
  if (left < MINUTE) return relative.format(Math.max(1, Math.round(left / 1000)), "second");
  if (left < HOUR) return relative.format(Math.round(left / MINUTE), "minute");
  if (left < DAY) return relative.format(Math.round(left / HOUR), "hour");
  return relative.format(Math.round(left / DAY), "day");
}

/** Date and time to the second, in the reader's own form. */
export function absoluteTime(at: string): string {
  return absolute.format(new Date(at));
}

/** "3 May", with the year when it is not this one. */
export function shortDate(at: string, now: number = Date.now()): string {
  const date = new Date(at);
  return date.getFullYear() === new Date(now).getFullYear() ? day.format(date) : dayAndYear.format(date);
}

/** "0.4 ms", "420 ms", "3.1 s", "2 min 5 s". */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The heading under which a time is listed: today, yesterday, the last 7 and 30 days, then the month. */
export function dayGroup(at: string, now: number = Date.now()): string {
  const date = new Date(at);
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const time = date.getTime();
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY) return "Yesterday";
  if (time >= midnight - 7 * DAY) return "Last 7 days";
  if (time >= midnight - 30 * DAY) return "Last 30 days";
  return date.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}
