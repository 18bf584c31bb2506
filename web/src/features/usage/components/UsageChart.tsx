import { BarChart } from "@mantine/charts";
import "@mantine/charts/styles.layer.css";
import type { UsageSums } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import type { Measure, partsOf, Point } from "../model/series";

type UsageChartProps = { points: Point[]; parts: ReturnType<typeof partsOf>; measure: Measure };

const compact = new Intl.NumberFormat("en", { notation: "compact" });

/** Columns over time. The same figures stand in a table for who does not see them. */
export default function UsageChart({ points, parts, measure }: UsageChartProps) {
  return (
    <>
      <div aria-hidden className="h-full">
        <BarChart
          h={240}
          data={points}
          dataKey="label"
          type="stacked"
          series={parts}
          withLegend={parts.length > 1}
          gridColor="var(--line)"
          textColor="var(--ink-faint)"
          maxBarWidth={36}
          barProps={{ isAnimationActive: false, radius: 2 }}
          barChartProps={{ accessibilityLayer: false }}
          yAxisProps={{ width: 52, allowDecimals: measure === "cost" }}
          xAxisProps={{ minTickGap: 24 }}
          valueFormatter={(value) => (measure === "cost" ? `$${compact.format(value)}` : compact.format(value))}
          tooltipProps={{ content: bubbleOf }}
        />
      </div>
      <table className="visually-hidden">
        <caption>Calls over time</caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Calls</th>
          </tr>
        </thead>
        <tbody>
          {points.map(({ label, sums }, index) => (
            <tr key={`${label}-${index}`}>
              <th scope="row">{label}</th>
              <td>{wordsOf(sums).join(", ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

type Hovered = { active?: boolean; payload?: readonly { payload?: unknown }[] };

/** What the chart's library shows beside the pointer. */
function bubbleOf({ active, payload }: Hovered) {
  const point = payload?.[0]?.payload;
  return active && point ? <Bubble point={point as Point} /> : null;
}

function Bubble({ point }: { point: Point }) {
  return (
    <div className="rounded-lg border border-line bg-raised px-3 py-2 text-xs shadow-float">
      <p className="mb-1 font-semibold">{point.label}</p>
      {wordsOf(point.sums).map((word) => (
        <p key={word} className="text-ink-soft tabular-nums">
          {word}
        </p>
      ))}
    </div>
  );
}

function wordsOf(sums: UsageSums | null): string[] {
  if (sums === null) return ["no calls"];
  return [
    plural(sums.requests, "request"),
    ...(sums.errors > 0 ? [plural(sums.errors, "error")] : []),
    `${formatCount(sums.input_tokens)} tokens in, ${formatCount(sums.output_tokens)} out`,
    formatUsd(sums.cost_usd),
  ];
}
