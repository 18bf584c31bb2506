import { Button } from "@mantine/core";
import { useState } from "react";
import type { AuditEntry } from "@/lib/api";
import { absoluteTime } from "@/lib/time";
import { CopyButton, ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useAudit } from "../api/useAudit";

const GOOD = new Set(["success", "ok", "allowed"]);

/** Who did what, when, from where. Entries cannot be changed or deleted from here. */
export function AuditSection() {
  // The cursors of the pages passed on the way here; the first page has none.
  const [trail, setTrail] = useState<readonly string[]>([""]);
  const query = useAudit(trail.at(-1) ?? "");
  const next = query.data?.next_cursor ?? null;
  return (
    <Panel title="Audit log" description="Sign-ins and changes to accounts, keys and model servers, newest first." flush>
      {query.isPending ? <Loading label="Loading the audit log" /> : null}
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The audit log could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {query.data && query.data.items.length === 0 ? <p className="p-5 text-sm text-ink-soft">Nothing has been recorded yet.</p> : null}
      {query.data && query.data.items.length > 0 ? (
        <>
          <AuditTable entries={query.data.items} isStale={query.isPlaceholderData} />
          <nav aria-label="Pages of the audit log" className="flex items-center justify-between border-t border-line px-4 py-3 sm:px-5">
            <Button variant="default" size="xs" disabled={trail.length === 1} onClick={() => setTrail(trail.slice(0, -1))}>
              Newer
            </Button>
            <span className="text-xs text-ink-faint tabular-nums" role="status">
              Page {trail.length}
            </span>
            <Button
              variant="default"
              size="xs"
              disabled={next === null || query.isPlaceholderData}
              onClick={() => setTrail(next === null ? trail : [...trail, next])}
            >
              Older
            </Button>
          </nav>
        </>
      ) : null}
    </Panel>
  );
}

function AuditTable({ entries, isStale }: { entries: readonly AuditEntry[]; isStale: boolean }) {
  return (
    // a scrolling box must be reachable by keyboard
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Audit log entries">
      <table className={`w-full text-left text-sm max-sm:table-fixed max-sm:text-xs sm:min-w-[38rem] transition-opacity ${isStale ? "opacity-60" : ""}`}>
        <thead className="text-xs text-ink-faint">
          <tr>
            {["When", "Who, from where", "What", "Outcome", "Request"].map((heading) => (
              <th key={heading} scope="col" className="px-3 py-2 font-medium first:pl-5 last:pr-5 max-sm:px-2 max-sm:first:pl-4 max-sm:last:hidden">
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id} className="border-t border-line align-top">
              <td className="py-2 pr-3 pl-5 text-ink-soft tabular-nums max-sm:pr-2 max-sm:pl-4 sm:whitespace-nowrap">{absoluteTime(entry.at)}</td>
              <td className="px-3 py-2 max-sm:px-2 max-sm:[overflow-wrap:anywhere]">
                <span className="break-words">{entry.actor || "–"}</span>
                <span className="block text-xs text-ink-faint tabular-nums">{entry.ip}</span>
              </td>
              <td className="px-3 py-2 max-sm:px-2">
                <span className="font-medium">{entry.action.replaceAll(/[._]/g, " ")}</span>
                <span className="block text-xs text-ink-faint [overflow-wrap:anywhere]">{entry.object}</span>
              </td>
              <td className={`px-3 py-2 max-sm:px-2 ${GOOD.has(entry.outcome) ? "text-ink-soft" : "font-medium text-danger"}`}>{entry.outcome}</td>
              <td className="py-1 pr-5 pl-3 max-sm:hidden">
                {entry.request_id ? <CopyButton value={entry.request_id} label={`Copy request id ${entry.request_id}`} size="sm" /> : "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
