import { useQueryClient } from "@tanstack/react-query";
import { ChartColumn } from "lucide-react";
import { EmptyState, ErrorNotice, Loading, Page, PageHeader } from "@/ui";
import { MyLimits } from "@/ui/Limits";
import { usageKeys } from "../api/keys";
import { useNames } from "../api/useNames";
import { useUsageSummary } from "../api/useUsageSummary";
import { useUsageView } from "../hooks/useUsageView";
import { BreakdownPanel } from "./BreakdownPanel";
import { CallsPanel } from "./CallsPanel";
import { ChartPanel } from "./ChartPanel";
import { LiveStrip } from "./LiveStrip";
import { Totals } from "./Totals";
import { ViewBar } from "./ViewBar";

/** What was asked of models: how often, how much, at what cost. */
export function UsagePage() {
  const view = useUsageView();
  const client = useQueryClient();
  const names = useNames(view.everyone);
  const query = useUsageSummary(view.scope, { interval: view.period.interval });
  return (
    <Page>
      <PageHeader title="Usage" description="Every call to a model, from chats and from keys: how many, how large, how fast, and what they cost." />
      <ViewBar {...view} onRefresh={() => void client.invalidateQueries({ queryKey: usageKeys.all })} isRefreshing={query.isFetching} />
      <div className="space-y-5">
        {view.everyone ? <LiveStrip /> : null}
        {query.isPending ? (
          <Loading label="Loading usage" />
        ) : query.isError && !query.data ? (
          <ErrorNotice error={query.error} title="The usage could not be loaded" onRetry={() => void query.refetch()} />
        ) : query.data.total.requests === 0 ? (
          <NoCalls everyone={view.everyone} />
        ) : (
          <>
            <Totals total={query.data.total} />
            <ChartPanel sums={query.data.items} period={view.period} />
            <BreakdownPanel {...view} names={names} />
            <CallsPanel scope={view.scope} everyone={view.everyone} names={names} />
          </>
        )}
        <MyLimits />
      </div>
    </Page>
  );
}

function NoCalls({ everyone }: { everyone: boolean }) {
  return (
    <div className="rounded-xl border border-line bg-raised">
      <EmptyState icon={<ChartColumn size={22} />} title="No calls in this time">
        <p>
          {everyone ? "Nobody asked a model anything then." : "You asked no model anything then."} A call shows here seconds after it is
          answered. Choose a longer time to look further back.
        </p>
      </EmptyState>
    </div>
  );
}
