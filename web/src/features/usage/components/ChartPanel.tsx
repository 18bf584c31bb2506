import { SegmentedControl } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import type { UsageSums } from "@/lib/api";
import { Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import type { Period } from "../model/period";
import { type Measure, MEASURES, partsOf, pointsOf } from "../model/series";

// The chart's library is larger than the page around it, so it comes when a chart is shown.
const UsageChart = lazy(() => import("./UsageChart"));

/** Calls over time. */
export function ChartPanel({ sums, period }: { sums: readonly UsageSums[]; period: Period }) {
  const [measure, setMeasure] = useState<Measure>("requests");
  const points = pointsOf(sums, period, measure);
  return (
    <Panel
      title="Over time"
      description={period.interval === "hour" ? "By the hour." : "By the day, in UTC."}
      actions={
        <SegmentedControl
          aria-label="Show"
          size="xs"
          data={MEASURES.map((each) => ({ ...each }))}
          value={measure}
          onChange={(value) => setMeasure(MEASURES.find((each) => each.value === value)?.value ?? "requests")}
        />
      }
    >
      <div className="h-60">
        <Suspense fallback={<Loading label="Loading the chart" />}>
          <UsageChart points={points} parts={partsOf(measure)} measure={measure} />
        </Suspense>
      </div>
    </Panel>
  );
}
