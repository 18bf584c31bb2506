/** The times one can look at; "custom" has days of its own. */
export const PERIODS = [
  { value: "24h", label: "24 hours" },
  { value: "7d", label: "7 days" },
  { value: "30d", label: "30 days" },
  { value: "custom", label: "Custom" },
] as const;
export type PeriodName = (typeof PERIODS)[number]["value"];

/** A span of time, and the pieces a chart cuts it into. */
export type Period = { since: string; until: string; interval: "hour" | "day" };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LENGTHS: Record<Exclude<PeriodName, "custom">, number> = { "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS };
const MOST_HOURS_SHOWN = 3 * DAY_MS;

export function periodName(text: string): PeriodName {
  return PERIODS.find(({ value }) => value === text)?.value ?? "24h";
}

/**
 * The span a choice means now. Sums come in whole hours and days of UTC, so it begins and ends on them; the current hour is in it.
 *
 * Custom days are read as UTC, from the first to the whole of the last.
 */
export function periodOf(name: PeriodName, from: string, to: string, now: number): Period {
  if (name === "custom") {
    const first = dayStart(from) ?? floor(now, DAY_MS) - 6 * DAY_MS;
    const last = Math.max(first, dayStart(to) ?? floor(now, DAY_MS));
    return span(first, last + DAY_MS);
  }
  const until = floor(now, HOUR_MS) + HOUR_MS;
  const length = LENGTHS[name];
  return length > MOST_HOURS_SHOWN ? span(floor(now, DAY_MS) + DAY_MS - length, until) : span(until - length, until);
}

/** Every piece of a period, by its beginning, so that a quiet hour is a gap in the chart and not missing from it. */
export function piecesOf({ since, until, interval }: Period): string[] {
  const step = interval === "hour" ? HOUR_MS : DAY_MS;
  const pieces: string[] = [];
  for (let at = floor(Date.parse(since), step); at < Date.parse(until); at += step) pieces.push(new Date(at).toISOString());
  return pieces;
}

/** "2026-11-20", as a date field wants it. */
export function dayText(at: string): string {
  return at.slice(0, 10);
}

function span(since: number, until: number): Period {
  return {
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    interval: until - since > MOST_HOURS_SHOWN ? "day" : "hour",
  };
}

function floor(at: number, step: number): number {
  return Math.floor(at / step) * step;
}

function dayStart(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) ? null : at;
}
