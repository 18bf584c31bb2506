import { plural } from "@/lib/format";

/** "3 days, 4 hours", "12 minutes", "40 seconds": the two largest units that say something. */
export function uptimeText(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "day"],
    [Math.floor(whole / 3600) % 24, "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
  ];
  const said = parts.filter(([count]) => count > 0).slice(0, 2);
  if (said.length === 0) return plural(whole, "second");
  return said.map(([count, unit]) => plural(count, unit)).join(", ");
}
