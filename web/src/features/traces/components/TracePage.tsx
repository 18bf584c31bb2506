import { Button } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Link, useParams } from "@tanstack/react-router";
import { ChevronLeft, MessageSquareText } from "lucide-react";
import { type CSSProperties, useCallback, useMemo, useState } from "react";
import type { TraceDetail } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { absoluteTime } from "@/lib/time";
import { CopyButton, ErrorNotice, Loading, Page, PageHeader, SidebarButton } from "@/ui";
import { JsonView } from "@/ui/JsonView";
import { useSearchParams } from "@/ui/useSearchParams";
import { useTrace } from "../api/useTrace";
import { costText, durationText, tokensText } from "../model/figures";
import { layoutObservations } from "../model/layout";
import { Figures } from "./Figures";
import { LevelBadge } from "./LevelBadge";
import { ObservationDetail } from "./ObservationDetail";
import { PayloadView } from "./PayloadView";
import { Timeline, timelineHeight } from "./Timeline";
import "./traces.css";

const PARAMS = ["observation"] as const;

/** One answer, taken apart: its steps on a timeline, and each step's input and output. */
export function TracePage() {
  const { traceId = "" } = useParams({ strict: false });
  const query = useTrace(traceId);
  if (query.data) return <TraceBody key={traceId} detail={query.data} />;
  return (
    <Page>
      <PageHeader title="Trace" above={<BackLink />} />
      {query.isError ? (
        <ErrorNotice error={query.error} title="This trace cannot be shown" onRetry={() => void query.refetch()} />
      ) : (
        <Loading label="Loading the trace" />
      )}
    </Page>
  );
}

function TraceBody({ detail }: { detail: TraceDetail }) {
  const { trace, observations } = detail;
  const [search, setSearch] = useSearchParams(PARAMS);
  // Held here as well as in the address: the arrow keys must not wait for the router.
  const [selectedId, setSelectedId] = useState(search.observation);
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => new Set());
  const layout = useMemo(() => layoutObservations(observations, trace.started_at, closed), [observations, trace.started_at, closed]);
  const selected = useMemo(() => observations.find((item) => item.id === selectedId), [observations, selectedId]);

  const writeAddress = useDebouncedCallback((id: string) => setSearch({ observation: id }), 250);
  const select = useCallback(
    (id: string) => {
      setSelectedId(id);
      writeAddress(id);
    },
    [writeAddress],
  );
  const toggle = useCallback((id: string, isOpen: boolean) => {
    setClosed((before) => {
      const next = new Set(before);
      if (isOpen) next.delete(id);
      else next.add(id);
      return next;
    });
  }, []);

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-12 shrink-0 items-center px-2 md:h-3">
        <SidebarButton />
      </div>
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto px-4 pt-2 sm:px-8 md:pt-6 lg:overflow-hidden">
        <div className="shrink-0">
          <PageHeader
            title={trace.name || "Trace"}
            above={<BackLink />}
            description={
              <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
                <LevelBadge level={trace.level} />
                <span>{trace.model ?? "no model"}</span>
                <span aria-hidden>·</span>
                <span>{absoluteTime(trace.started_at)}</span>
                {trace.tags.map((tag) => (
                  <span key={tag} className="rounded bg-hover px-1.5 py-0.5 text-xs">
                    {tag}
                  </span>
                ))}
              </span>
            }
            actions={
              <>
                {trace.session_id ? (
                  <Button
                    variant="default"
                    leftSection={<MessageSquareText size={16} aria-hidden />}
                    renderRoot={(props) => <Link to="/c/$chatId" params={{ chatId: trace.session_id ?? "" }} {...props} />}
                  >
                    Open the chat
                  </Button>
                ) : null}
                <CopyButton value={trace.id} label="Copy trace id" />
              </>
            }
          />
          <div className="-mt-2 mb-5">
            <Figures
              label="Totals"
              figures={[
                ["Latency", durationText(trace.latency_ms)],
                ["First token", durationText(trace.time_to_first_token_ms)],
                ["Tokens", tokensText(trace.input_tokens, trace.output_tokens)],
                ["Cost", costText(trace.cost_usd)],
                ["Observations", formatCount(observations.length)],
              ]}
            />
          </div>
        </div>
        <div className="grid grid-cols-1 gap-6 pb-6 lg:min-h-0 lg:flex-1 lg:grid-cols-[minmax(0,1.05fr)_minmax(0,1fr)]">
          <div className="flex min-h-0 flex-col">
            {observations.length > 0 ? (
              <div
                className="flex h-[min(var(--tree-height),26rem,50dvh)] flex-col lg:h-auto lg:max-h-[min(100%,var(--tree-height))] lg:min-h-0 lg:flex-1"
                style={{ "--tree-height": `${timelineHeight(layout)}px` } as CSSProperties}
              >
                <Timeline layout={layout} selectedId={selectedId} onSelect={select} onToggle={toggle} />
              </div>
            ) : (
              <p className="rounded-xl border border-line bg-raised px-4 py-6 text-sm text-ink-soft">
                Nothing was observed inside this trace; only its input and output are known.
              </p>
            )}
          </div>
          {/* a scrolling box must be reachable by keyboard */}
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <div role="region" aria-label="Details" tabIndex={0} className="min-w-0 lg:overflow-y-auto lg:pr-1">
            {selected ? (
              <>
                <Button size="compact-sm" variant="subtle" color="gray" ml={-8} mb="xs" leftSection={<ChevronLeft size={14} aria-hidden />} onClick={() => select("")}>
                  Whole trace
                </Button>
                <ObservationDetail observation={selected} />
              </>
            ) : (
              <WholeTrace detail={detail} />
            )}
          </div>
        </div>
      </div>
    </div>
  );
}

function WholeTrace({ detail: { trace, observations } }: { detail: TraceDetail }) {
  const failed = observations.filter((item) => item.level === "error" && item.status_message);
  return (
    <div className="space-y-5">
      <header>
        <h2 className="text-lg font-semibold">The whole trace</h2>
        <p className="mt-0.5 text-sm text-ink-faint">Choose an observation on the timeline to see what it did.</p>
      </header>
      {failed.slice(0, 3).map((item) => (
        <p key={item.id} role="alert" className="rounded-lg border border-danger-line bg-danger-soft px-3 py-2 text-sm [overflow-wrap:anywhere]">
          <span className="font-semibold">{item.name}:</span> {item.status_message}
        </p>
      ))}
      <PayloadView title="Input" value={trace.input} />
      <PayloadView title="Output" value={trace.output} />
      {Object.keys(trace.metadata).length > 0 ? (
        <div>
          <h3 className="mb-1.5 text-sm font-semibold">Metadata</h3>
          <JsonView value={trace.metadata} label="metadata" />
        </div>
      ) : null}
    </div>
  );
}

function BackLink() {
  return (
    <Link to="/traces" className="inline-flex items-center gap-1 rounded-sm hover:text-ink">
      <ChevronLeft size={15} aria-hidden /> Traces
    </Link>
  );
}
