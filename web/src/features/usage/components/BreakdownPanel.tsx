import { Select } from "@mantine/core";
import type { UsageSums } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { formatDuration } from "@/lib/time";
import { ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useUsageSummary } from "../api/useUsageSummary";
import type { useUsageView } from "../hooks/useUsageView";
import { type Breakdown, breakdownOf, BREAKDOWNS, byRequests, lineName, type Names } from "../model/breakdown";

type BreakdownPanelProps = Pick<ReturnType<typeof useUsageView>, "scope" | "by" | "everyone" | "setSearch"> & { names: Names };

const MOST_LINES = 12;

/** The same sums for each model, key, person, … */
export function BreakdownPanel({ scope, by, everyone, setSearch, names }: BreakdownPanelProps) {
  const query = useUsageSummary(scope, { by });
  const lines = byRequests(query.data?.items ?? []);
  const shown = lines.slice(0, MOST_LINES);
  const most = lines[0]?.requests ?? 1;
  return (
    <Panel
      title="Breakdown"
      actions={
        <Select
          aria-label="Sums for each"
          size="xs"
          w={132}
          allowDeselect={false}
          data={BREAKDOWNS.filter(({ value }) => everyone || value !== "user").map((each) => ({ ...each }))}
          value={by}
          onChange={(value) => setSearch({ by: breakdownOf(value ?? "") === "model" ? "" : (value ?? "") })}
        />
      }
      flush
    >
      {query.isPending ? <Loading label="Loading the sums" /> : null}
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The sums could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {shown.length > 0 ? (
        <table className="w-full table-fixed text-sm">
          <thead className="text-xs text-ink-faint">
            <tr>
              <th scope="col" className="px-4 py-2 text-left font-medium sm:px-5">
                {BREAKDOWNS.find(({ value }) => value === by)?.label}
              </th>
              <th scope="col" className="w-20 px-2 py-2 text-right font-medium">Requests</th>
              <th scope="col" className="hidden w-20 px-2 py-2 text-right font-medium sm:table-cell">Errors</th>
              <th scope="col" className="hidden w-40 px-2 py-2 text-right font-medium md:table-cell">Tokens in, out</th>
              <th scope="col" className="hidden w-24 px-2 py-2 text-right font-medium lg:table-cell">p95</th>
              <th scope="col" className="w-24 py-2 pr-4 pl-2 text-right font-medium sm:pr-5">Cost</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((sums) => (
              <Line key={sums.name} sums={sums} by={by} names={names} most={most} onModel={(model) => setSearch({ model }, { push: true })} />
            ))}
          </tbody>
        </table>
      ) : null}
      {lines.length > MOST_LINES || query.data?.is_cut ? (
        <p className="border-t border-line px-4 py-2.5 text-xs text-ink-faint sm:px-5">
          The {MOST_LINES} with the most requests{query.data?.is_cut ? "" : ` of ${plural(lines.length, "line")}`}. An export has them all.
        </p>
      ) : null}
    </Panel>
  );
}

type LineProps = { sums: UsageSums; by: Breakdown; names: Names; most: number; onModel: (model: string) => void };

function Line({ sums, by, names, most, onModel }: LineProps) {
  const name = lineName(by, sums.name, names);
  return (
    <tr className="border-t border-line align-top">
      <th scope="row" className="px-4 py-2.5 text-left font-normal sm:px-5">
        {by === "model" && sums.name ? (
          <button type="button" className="max-w-full text-left font-medium [overflow-wrap:anywhere] hover:underline" onClick={() => onModel(sums.name)}>
            {name}
          </button>
        ) : (
          <span className="font-medium [overflow-wrap:anywhere]">{name}</span>
        )}
        <span className="mt-1.5 block h-1 rounded-full bg-hover" aria-hidden>
          <span className="block h-full rounded-full bg-accent" style={{ width: `${(100 * sums.requests) / most}%` }} />
        </span>
      </th>
      <td className="px-2 py-2.5 text-right tabular-nums">{formatCount(sums.requests)}</td>
      <td className={`hidden px-2 py-2.5 text-right tabular-nums sm:table-cell ${sums.errors > 0 ? "text-danger" : "text-ink-faint"}`}>
        {formatCount(sums.errors)}
      </td>
      <td className="hidden px-2 py-2.5 text-right tabular-nums md:table-cell">
        {formatCount(sums.input_tokens)}, {formatCount(sums.output_tokens)}
      </td>
      <td className="hidden px-2 py-2.5 text-right tabular-nums lg:table-cell">
        {sums.latency_p95_ms === null ? "–" : formatDuration(sums.latency_p95_ms)}
      </td>
      <td className="py-2.5 pr-4 pl-2 text-right tabular-nums sm:pr-5">
        {sums.unpriced === sums.requests ? <span className="text-ink-faint">unpriced</span> : formatUsd(sums.cost_usd)}
      </td>
    </tr>
  );
}
