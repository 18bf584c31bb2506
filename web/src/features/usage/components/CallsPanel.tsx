import { Badge, Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { UsageRow } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { formatDuration } from "@/lib/time";
import { ErrorNotice, Loading, RelativeTime } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useUsageRows } from "../api/useUsageRows";
import { lineName, type Names, statusText } from "../model/breakdown";
import type { Scope } from "../model/scope";

type CallsPanelProps = { scope: Scope; everyone: boolean; names: Names };

/** The calls themselves, newest first. */
export function CallsPanel({ scope, everyone, names }: CallsPanelProps) {
  const query = useUsageRows(scope);
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel title="Calls" flush>
      {query.isPending ? <Loading label="Loading calls" /> : null}
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The calls could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {rows.length > 0 ? (
        <table className="w-full table-fixed text-sm">
          <thead className="hidden text-xs text-ink-faint md:table-header-group">
            <tr>
              <th scope="col" className="w-32 py-2 pr-2 pl-5 text-left font-medium">When</th>
              <th scope="col" className="px-2 py-2 text-left font-medium">Model and caller</th>
              <th scope="col" className="w-36 px-2 py-2 text-left font-medium">Status</th>
              <th scope="col" className="w-28 px-2 py-2 text-right font-medium">Tokens in, out</th>
              <th scope="col" className="w-28 px-2 py-2 text-right font-medium">Latency</th>
              <th scope="col" className="w-24 py-2 pr-5 pl-2 text-right font-medium">Cost</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <CallRow key={row.id} row={row} everyone={everyone} names={names} />
            ))}
          </tbody>
        </table>
      ) : null}
      {query.hasNextPage ? (
        <div className="border-t border-line p-3 text-center">
          <Button variant="default" size="xs" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            Show more
          </Button>
        </div>
      ) : null}
    </Panel>
  );
}

function CallRow({ row, everyone, names }: { row: UsageRow; everyone: boolean; names: Names }) {
  const caller = [
    ...(everyone ? [lineName("user", row.user_id, names)] : []),
    row.key_id === null ? "in the page" : `key ${lineName("key", row.key_id, names)}`,
    ...(row.group_id === null ? [] : [`group ${lineName("group", row.group_id, names)}`]),
  ];
  const cost = row.cost_usd === null ? "unpriced" : formatUsd(row.cost_usd);
  return (
    <tr className="grid grid-cols-[1fr_auto] gap-x-3 border-t border-line px-4 py-2.5 align-top first:border-t-0 md:table-row md:px-0">
      <td className="order-3 col-span-2 text-xs text-ink-faint md:py-2.5 md:pr-2 md:pl-5">
        <RelativeTime at={row.at} />
        {row.trace_id ? (
          <>
            {" · "}
            <Link to="/traces/$traceId" params={{ traceId: row.trace_id }} className="text-accent-ink underline underline-offset-2">
              trace
            </Link>
          </>
        ) : null}
      </td>
      <td className="order-1 min-w-0 md:px-2 md:py-2.5">
        <span className="block font-medium [overflow-wrap:anywhere]">{row.model || "no model"}</span>
        <span className="block text-xs text-ink-faint [overflow-wrap:anywhere]">
          {caller.join(" · ")}
          {row.deployment ? ` · on ${row.deployment}` : ""}
          {row.attempts > 1 ? ` · ${row.attempts} attempts` : ""}
        </span>
        <span className="mt-0.5 block text-xs text-ink-faint tabular-nums md:hidden">
          {formatCount(row.input_tokens)} in, {formatCount(row.output_tokens)} out · {formatDuration(row.latency_ms)} · {cost}
        </span>
      </td>
      <td className="order-2 md:px-2 md:py-2.5">
        <StatusBadge row={row} />
      </td>
      <td className="hidden px-2 py-2.5 text-right tabular-nums md:table-cell">
        {formatCount(row.input_tokens)}, {formatCount(row.output_tokens)}
        {row.is_estimated ? <span className="block text-xs text-ink-faint">estimated</span> : null}
      </td>
      <td className="hidden px-2 py-2.5 text-right tabular-nums md:table-cell">
        {formatDuration(row.latency_ms)}
        {row.first_token_ms === null ? null : <span className="block text-xs text-ink-faint">first {formatDuration(row.first_token_ms)}</span>}
      </td>
      <td className={`hidden py-2.5 pr-5 pl-2 text-right tabular-nums md:table-cell ${row.cost_usd === null ? "text-ink-faint" : ""}`}>{cost}</td>
    </tr>
  );
}

function StatusBadge({ row }: { row: UsageRow }) {
  const isBad = row.status >= 400 && row.status !== 499;
  return (
    <span className="flex flex-wrap items-center justify-end gap-1 md:justify-start">
      {row.status === 200 ? (
        <span className="text-xs leading-5 text-ink-faint">answered</span>
      ) : (
        <Badge component="span" size="sm" color={isBad ? "red" : "gray"}>
          {statusText(row.status)}
        </Badge>
      )}
      {row.cache ? (
        <Badge component="span" size="sm">
          cached
        </Badge>
      ) : null}
    </span>
  );
}
