import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useState } from "react";
import type { TraceSummary } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { ErrorNotice, RelativeTime } from "@/ui";
import type { useTraces } from "../api/useTraces";
import { costText, durationText, tokensText } from "../model/figures";
import { LevelBadge } from "./LevelBadge";

const COLUMNS = "md:grid-cols-[6.5rem_minmax(9rem,1.1fr)_minmax(10rem,2fr)_5rem_5rem_6.5rem_5.5rem]";
const HEADINGS = ["When", "Name and model", "Asked", "Latency", "First token", "Tokens", "Cost"];

type TraceTableProps = {
  traces: TraceSummary[];
  query: ReturnType<typeof useTraces>;
  scroller: HTMLElement | null;
  showUser: boolean;
};

/** The traces as a table on a wide screen and as cards on a phone; only the rows in view are drawn. */
export function TraceTable({ traces, query, scroller, showUser }: TraceTableProps) {
  const [body, setBody] = useState<HTMLDivElement | null>(null);
  // How far the list begins below the top of what scrolls.
  const margin = body && scroller ? body.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop : 0;
  // oxlint-disable-next-line react/incompatible-library -- the page is built without the React compiler
  const rows = useVirtualizer({
    count: traces.length,
    getScrollElement: () => scroller,
    estimateSize: () => 62,
    getItemKey: (index) => traces[index]?.id ?? index,
    overscan: 8,
    scrollMargin: margin,
  });
  const items = rows.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, isError, fetchNextPage } = query;

  // Coming near the end of what is loaded asks for more.
  useEffect(() => {
    if (lastShown >= traces.length - 15 && hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [lastShown, traces.length, hasNextPage, isFetchingNextPage, isError, fetchNextPage]);

  return (
    <div>
      <div role="table" aria-label="Traces" aria-rowcount={hasNextPage ? -1 : traces.length + 1}>
        <div role="rowgroup" className="sticky top-0 z-10 hidden border-b border-line bg-paper md:block">
          <div role="row" aria-rowindex={1} className={`grid gap-x-4 px-3 py-2 text-xs font-medium text-ink-faint ${COLUMNS}`}>
            {HEADINGS.map((heading, index) => (
              <span key={heading} role="columnheader" className={index > 2 ? "text-right" : ""}>
                {heading}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" ref={setBody} className="relative" style={{ height: rows.getTotalSize() }}>
          {items.map((item) => {
            const trace = traces[item.index];
            return trace ? (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                data-index={item.index}
                ref={rows.measureElement}
                className="absolute inset-x-0 top-0 border-b border-line transition-colors focus-within:bg-hover/60 hover:bg-hover/60"
                style={{ transform: `translateY(${item.start - rows.options.scrollMargin}px)` }}
              >
                <TraceCells trace={trace} showUser={showUser} />
              </div>
            ) : null;
          })}
        </div>
      </div>
      <div className="py-4 text-center text-sm text-ink-faint" role="status">
        {isFetchingNextPage ? "Loading more" : hasNextPage ? "" : `${plural(traces.length, "trace")}, no more`}
      </div>
      {isError ? <ErrorNotice error={query.error} title="More could not be loaded" onRetry={() => void fetchNextPage()} /> : null}
      {hasNextPage && !isFetchingNextPage ? (
        <div className="text-center">
          <Button variant="default" onClick={() => void fetchNextPage()}>
            Load more
          </Button>
        </div>
      ) : null}
    </div>
  );
}

function TraceCells({ trace, showUser }: { trace: TraceSummary; showUser: boolean }) {
  return (
    <div className={`grid grid-cols-[1fr_auto] items-center gap-x-4 gap-y-1 px-1 py-2.5 text-sm md:px-3 ${COLUMNS}`}>
      <span role="cell" className="order-2 text-xs text-ink-faint md:order-none">
        <RelativeTime at={trace.started_at} />
      </span>
      <span role="cell" className="order-1 min-w-0 md:order-none">
        <Link
          to="/traces/$traceId"
          params={{ traceId: trace.id }}
          className="block truncate rounded-sm font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {trace.name || "unnamed"}
        </Link>
        <span className="mt-0.5 flex min-w-0 items-center gap-2 text-xs text-ink-faint">
          <LevelBadge level={trace.level} />
          <span className="truncate">
            {trace.model ?? "no model"}
            {showUser ? ` · user ${trace.user_id.slice(-6)}` : ""}
          </span>
        </span>
      </span>
      <span role="cell" className="order-3 col-span-2 min-w-0 md:order-none md:col-span-1">
        <span className="line-clamp-2 text-ink-soft [overflow-wrap:anywhere]">{trace.input_preview || "–"}</span>
      </span>
      <span role="cell" className="order-4 col-span-2 flex flex-wrap gap-x-3 text-xs text-ink-faint tabular-nums md:hidden">
        <span>{durationText(trace.latency_ms)}</span>
        {trace.time_to_first_token_ms === null ? null : <span>first token {durationText(trace.time_to_first_token_ms)}</span>}
        <span>{tokensText(trace.input_tokens, trace.output_tokens)}</span>
        <span>{costText(trace.cost_usd)}</span>
      </span>
      <Figure>{durationText(trace.latency_ms)}</Figure>
      <Figure>{durationText(trace.time_to_first_token_ms)}</Figure>
      <Figure>
        {formatCount(trace.input_tokens + trace.output_tokens)}
        <span className="block text-xs text-ink-faint">{tokensText(trace.input_tokens, trace.output_tokens)}</span>
      </Figure>
      <Figure isFaint={trace.cost_usd === null}>{costText(trace.cost_usd)}</Figure>
    </div>
  );
}

function Figure({ children, isFaint = false }: { children: React.ReactNode; isFaint?: boolean }) {
  return (
    <span role="cell" className={`hidden text-right tabular-nums md:block ${isFaint ? "text-ink-faint" : ""}`}>
      {children}
    </span>
  );
}
