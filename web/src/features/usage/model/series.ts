import type { UsageSums } from "@/lib/api";
import { type Period, piecesOf } from "./period";

/** What the chart can show. */
export const MEASURES = [
  { value: "requests", label: "Requests" },
  { value: "tokens", label: "Tokens" },
  { value: "cost", label: "Cost" },
] as const;
export type Measure = (typeof MEASURES)[number]["value"];

/** One column of the chart. Heights are for drawing only; texts are said from the sums. */
export type Point = { label: string; sums: UsageSums | null } & Record<string, unknown>;

const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

/** The columns of a measure over a period, a zero for each quiet piece. */
export function pointsOf(sums: readonly UsageSums[], period: Period, measure: Measure): Point[] {
  const found = new Map(sums.flatMap((each) => (each.start === null ? [] : [[Date.parse(each.start), each] as const])));
  return piecesOf(period).map((start) => {
    const each = found.get(Date.parse(start)) ?? null;
    const label = (period.interval === "hour" ? hour : day).format(new Date(start));
    return { label, sums: each, ...heightsOf(each, measure) };
  });
}

/** The parts of a column, from the bottom up. */
export function partsOf(measure: Measure): { name: string; label: string; color: string }[] {
  if (measure === "tokens") {
    return [
      { name: "input", label: "Tokens in", color: "pine.6" },
      { name: "output", label: "Tokens out", color: "pine.3" },
    ];
  }
  if (measure === "cost") return [{ name: "cost", label: "Cost", color: "pine.6" }];
  return [
    { name: "fine", label: "Answered", color: "pine.6" },
    { name: "errors", label: "Errors", color: "red.5" },
  ];
}

function heightsOf(sums: UsageSums | null, measure: Measure): Record<string, number> {
  if (measure === "tokens") return { input: sums?.input_tokens ?? 0, output: sums?.output_tokens ?? 0 };
  if (measure === "cost") return { cost: Number(sums?.cost_usd ?? 0) };
  return { fine: (sums?.requests ?? 0) - (sums?.errors ?? 0), errors: sums?.errors ?? 0 };
}
