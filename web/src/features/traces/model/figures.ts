import { formatCount } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { formatDuration } from "@/lib/time";

/** "420 ms", or a dash for what was not measured. */
export function durationText(ms: number | null): string {
  return ms === null ? "–" : formatDuration(ms);
}

/** Money in dollars as far as it tells something; null means nobody knows the price. */
export function costText(cost: string | null): string {
  return cost === null ? "unpriced" : formatUsd(cost);
}

/** "1,204 in, 96 out". */
export function tokensText(input: number, output: number): string {
  return `${formatCount(input)} in, ${formatCount(output)} out`;
}
