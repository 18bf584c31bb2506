import { formatCount, plural } from "@/lib/format";
import { ErrorNotice } from "@/ui";
import { useLiveUsage } from "../api/useLiveUsage";
import { Sparkline } from "./Sparkline";

/** The last minute of this server. */
export function LiveStrip() {
  const query = useLiveUsage();
  if (query.isError && !query.data) {
    return <ErrorNotice error={query.error} title="The last minute could not be loaded" onRetry={() => void query.refetch()} />;
  }
  const { requests = 0, errors = 0, tokens = 0, models = [] } = query.data ?? {};
  return (
    <section aria-label="Last minute" className="flex flex-wrap items-center gap-x-6 gap-y-2 rounded-xl border border-line bg-raised px-4 py-3 text-sm sm:px-5">
      <p className="flex items-center gap-2 font-medium">
        <span className={`size-2 rounded-full ${requests > 0 ? "bg-accent" : "bg-line-strong"}`} aria-hidden />
        Last minute
      </p>
      <p className="text-ink-soft tabular-nums">
        {plural(requests, "request")} · {formatCount(tokens)} tokens ·{" "}
        <span className={errors > 0 ? "text-danger" : ""}>{plural(errors, "error")}</span>
      </p>
      {models.slice(0, 3).map((model) => (
        <p key={model.model} className="flex min-w-0 items-center gap-2 text-xs text-ink-faint">
          <span className="truncate">{model.model}</span>
          <Sparkline values={model.requests_by_second} />
        </p>
      ))}
      {models.length > 3 ? <p className="text-xs text-ink-faint">and {models.length - 3} more</p> : null}
    </section>
  );
}
