import { Activity, SearchX } from "lucide-react";
import { useMemo, useState } from "react";
import { EmptyState, ErrorNotice, Loading, PageHeader, SidebarButton } from "@/ui";
import { useTraceFilters } from "../hooks/useTraceFilters";
import { useTraceList } from "../hooks/useTraceList";
import { FilterBar } from "./FilterBar";
import { TraceTable } from "./TraceTable";

/** Every answer that was given: what went in, how long it took, what it cost. */
export function TracesPage() {
  const state = useTraceFilters();
  const { query, traces } = useTraceList(state.filters, state.isLive);
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  const knownModels = useMemo(() => [...new Set(traces.flatMap((trace) => trace.model ?? []))].sort(), [traces]);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-12 shrink-0 items-center px-2 md:h-3">
        <SidebarButton />
      </div>
      <div ref={setScroller} className="relative min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto w-full max-w-7xl px-4 pt-2 pb-16 sm:px-8 md:pt-6">
          <PageHeader title="Traces" description="Each answer, step by step: what was retrieved, what the model was sent, how long it took and what it cost." />
          <FilterBar {...state} knownModels={knownModels} />
          {query.isPending ? (
            <Loading label="Loading traces" />
          ) : query.isError && traces.length === 0 ? (
            <ErrorNotice error={query.error} title="The traces could not be loaded" onRetry={() => void query.refetch()} />
          ) : traces.length === 0 ? (
            <NoTraces isFiltered={state.isFiltered} />
          ) : (
            <TraceTable traces={traces} query={query} scroller={scroller} showUser={state.filters.everyone} />
          )}
        </div>
      </div>
    </div>
  );
}

function NoTraces({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <EmptyState icon={<SearchX size={24} />} title="Nothing matches these filters">
        <p>Take one away, or look for other words.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<Activity size={24} />} title="No answer has been traced yet">
      <p>
        Ask something in a chat, or send a request to the API with a key. Each answer then appears here with its time to the first
        token, its tokens and every step that led to it.
      </p>
    </EmptyState>
  );
}
