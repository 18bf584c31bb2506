import { Button, SegmentedControl, Switch, TextInput } from "@mantine/core";
import { FileJson, FileSpreadsheet, RefreshCw, X } from "lucide-react";
import { IconButton } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import type { useUsageView } from "../hooks/useUsageView";
import { dayText, PERIODS } from "../model/period";
import { exportUrl } from "../model/scope";

type ViewBarProps = ReturnType<typeof useUsageView> & { onRefresh: () => void; isRefreshing: boolean };

/** Chooses the time and whose calls, and hands them out as files. */
export function ViewBar({ periodName, period, scope, isAdmin, everyone, setSearch, onRefresh, isRefreshing }: ViewBarProps) {
  const lastDay = dayText(new Date(Date.parse(period.until) - 1).toISOString());
  return (
    <div className="mb-5 flex flex-wrap items-center gap-x-3 gap-y-2.5">
      <SegmentedControl
        aria-label="Time"
        size="sm"
        data={PERIODS.map((each) => ({ ...each }))}
        value={periodName}
        onChange={(value) =>
          setSearch(
            value === "custom"
              ? { period: value, from: dayText(period.since), to: lastDay }
              : { period: value, from: "", to: "" },
          )
        }
      />
      {periodName === "custom" ? (
        <div className="flex flex-wrap items-center gap-2">
          <DayInput label="From" value={dayText(period.since)} max={lastDay} onChange={(from) => setSearch({ from })} />
          <DayInput label="To" value={lastDay} min={dayText(period.since)} onChange={(to) => setSearch({ to })} />
          <span className="text-xs text-ink-faint">UTC</span>
        </div>
      ) : null}
      {scope.model ? (
        <Button
          variant="default"
          fw={500}
          maw="100%"
          rightSection={<X size={14} aria-hidden />}
          aria-label={`Show every model again, not only ${scope.model}`}
          onClick={() => setSearch({ model: "" })}
        >
          {scope.model}
        </Button>
      ) : null}
      <div className="ml-auto flex flex-wrap items-center gap-x-2 gap-y-2">
        {isAdmin ? (
          <Switch
            label="Everyone"
            checked={everyone}
            onChange={(event) => setSearch({ everyone: event.currentTarget.checked ? "yes" : "" })}
            mr="xs"
          />
        ) : null}
        <IconButton label="Refresh" size="lg" onClick={onRefresh} loading={isRefreshing}>
          <RefreshCw size={16} aria-hidden />
        </IconButton>
        <ActionsMenu
          label="Export these calls"
          size="lg"
          actions={[
            { label: "Export as CSV", Icon: FileSpreadsheet, href: exportUrl(scope, "csv"), download: "usage.csv" },
            { label: "Export as JSON", Icon: FileJson, href: exportUrl(scope, "json"), download: "usage.json" },
          ]}
        />
      </div>
    </div>
  );
}

type DayInputProps = { label: string; value: string; min?: string; max?: string; onChange: (day: string) => void };

function DayInput({ label, onChange, ...range }: DayInputProps) {
  return (
    <TextInput
      type="date"
      aria-label={label}
      w={148}
      {...range}
      // An emptied field says nothing; the day before stays.
      onChange={(event) => (event.currentTarget.value ? onChange(event.currentTarget.value) : undefined)}
    />
  );
}
