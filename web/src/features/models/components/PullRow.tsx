import { Progress } from "@mantine/core";
import { CircleAlert, CircleCheck, CirclePause, Download, X } from "lucide-react";
import type { Pull } from "@/lib/api";
import { notifyError, RelativeTime } from "@/ui";
import { IconButton } from "@/ui/IconButton";
import { useCancelPull } from "../api/useCancelPull";
import { percentOf, progressText } from "../model/pulls";

type PullRowProps = { pull: Pull; isAdmin: boolean; onDismiss: () => void };

const ICONS: Record<Pull["state"], typeof Download> = { running: Download, done: CircleCheck, failed: CircleAlert, cancelled: CirclePause };

/** One pull: how far it is, how fast, or how it ended. */
export function PullRow({ pull, isAdmin, onDismiss }: PullRowProps) {
  const cancel = useCancelPull();
  const Icon = ICONS[pull.state];
  const isBad = pull.state === "failed";
  const isRunning = pull.state === "running";
  return (
    <li className={`flex items-start gap-3 rounded-lg border px-3 py-2.5 ${isBad ? "border-danger-line bg-danger-soft" : "border-line bg-raised"}`}>
      <Icon size={18} className={`mt-0.5 shrink-0 ${isBad ? "text-danger" : pull.state === "done" ? "text-accent" : "text-ink-faint"}`} aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="text-sm font-medium [overflow-wrap:anywhere]">{pull.model}</p>
        {isRunning ? <Progressing pull={pull} /> : <Ended pull={pull} />}
      </div>
      {isRunning && isAdmin ? (
        <IconButton
          label={`Cancel the pull of ${pull.model}`}
          tooltip={false}
          loading={cancel.isPending}
          onClick={() => cancel.mutate(pull.id, { onError: (error) => notifyError("The pull was not cancelled", error) })}
        >
          <X size={16} aria-hidden />
        </IconButton>
      ) : null}
      {isRunning ? null : (
        <IconButton label={`Dismiss the pull of ${pull.model}`} tooltip={false} onClick={onDismiss}>
          <X size={16} aria-hidden />
        </IconButton>
      )}
    </li>
  );
}

function Progressing({ pull }: { pull: Pull }) {
  const percent = percentOf(pull);
  return (
    <>
      <p className="mt-0.5 text-xs text-ink-faint tabular-nums [overflow-wrap:anywhere]">
        {percent === null ? "" : `${percent} % · `}
        {progressText(pull)}
      </p>
      <Progress mt={6} size="xs" value={percent ?? 100} animated={percent === null} aria-label={`Pull of ${pull.model}`} />
    </>
  );
}

function Ended({ pull }: { pull: Pull }) {
  if (pull.state === "done") {
    return (
      <p role="status" className="mt-0.5 text-xs text-ink-faint">
        installed, begun <RelativeTime at={pull.started_at} />
      </p>
    );
  }
  return (
    <p role={pull.state === "failed" ? "alert" : "status"} className="mt-0.5 text-sm text-pretty text-ink-soft [overflow-wrap:anywhere]">
      {pull.error ?? "It ended."}
    </p>
  );
}
