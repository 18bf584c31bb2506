import type { UsageSums } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { formatDuration } from "@/lib/time";
import { type Figure, Figures, shareText } from "@/ui/Figures";

/** The sums of a time, each with the word that puts it in its place. */
export function Totals({ total }: { total: UsageSums }) {
  const figures: Figure[] = [
    { name: "Requests", value: formatCount(total.requests), note: total.cached > 0 ? `${formatCount(total.cached)} from the cache` : "" },
    {
      name: "Errors",
      value: formatCount(total.errors),
      note: total.requests > 0 ? `${shareText(total.errors, total.requests)} of requests` : "",
      isBad: total.errors > 0,
    },
    {
      name: "Tokens in",
      value: formatCount(total.input_tokens),
      note: total.cached_input_tokens > 0 ? `${formatCount(total.cached_input_tokens)} cached` : "",
    },
    {
      name: "Tokens out",
      value: formatCount(total.output_tokens),
      note: total.reasoning_tokens > 0 ? `${formatCount(total.reasoning_tokens)} to think` : "",
    },
    { name: "Cost", value: formatUsd(total.cost_usd), note: total.unpriced > 0 ? `${plural(total.unpriced, "call")} unpriced` : "" },
    {
      name: "Latency, 95 of 100",
      value: total.latency_p95_ms === null ? "–" : formatDuration(total.latency_p95_ms),
      note: total.latency_p50_ms === null ? "" : `half within ${formatDuration(total.latency_p50_ms)}`,
    },
  ];
  return <Figures label="Totals" figures={figures} className="sm:grid-cols-3 lg:grid-cols-6" />;
}
