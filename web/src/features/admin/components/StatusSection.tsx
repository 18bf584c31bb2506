import { Switch } from "@mantine/core";
import { CircleAlert, CircleCheck } from "lucide-react";
import { useState } from "react";
import type { Status } from "@/lib/api";
import { plural } from "@/lib/format";
import { ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useStatus } from "../api/useStatus";
import { uptimeText } from "../model/uptime";

/** Whether every part works. */
export function StatusSection() {
  const [isLive, setLive] = useState(true);
  const query = useStatus(isLive);
  return (
    <Panel
      title="Status"
      description={query.data ? <Summary status={query.data} /> : null}
      actions={<Switch label="Refresh by itself" checked={isLive} onChange={(event) => setLive(event.currentTarget.checked)} />}
      flush
    >
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The status could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {query.isPending ? <Loading label="Loading the status" /> : null}
      {query.data ? (
        <ul aria-label="Parts">
          {query.data.parts.map((part) => {
            const Icon = part.healthy ? CircleCheck : CircleAlert;
            return (
              <li key={part.name} className="flex items-start gap-3 border-t border-line px-4 py-3 text-sm first:border-t-0 sm:px-5">
                <Icon size={18} className={`mt-px shrink-0 ${part.healthy ? "text-accent" : "text-danger"}`} aria-hidden />
                <div className="grid min-w-0 flex-1 gap-x-4 gap-y-0.5 sm:grid-cols-[11rem_1fr]">
                  <p className="font-medium first-letter:uppercase">
                    {part.name}
                    <span className="visually-hidden">{part.healthy ? ", healthy" : ", not healthy"}</span>
                  </p>
                  <p className={`[overflow-wrap:anywhere] ${part.healthy ? "text-ink-soft" : "text-danger"}`}>
                    {part.detail || (part.healthy ? "works" : "does not work")}
                  </p>
                </div>
              </li>
            );
          })}
        </ul>
      ) : null}
    </Panel>
  );
}

function Summary({ status }: { status: Status }) {
  const ill = status.parts.filter((part) => !part.healthy).length;
  return (
    <p className="tabular-nums">
      {ill === 0 ? "Every part works." : `${ill} of ${plural(status.parts.length, "part")} ${ill === 1 ? "needs" : "need"} attention.`} Alcove {status.version}, running for{" "}
      {uptimeText(status.uptime_s)}.
    </p>
  );
}
