import { Button } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import { ApiProblem, messageOf } from "@/lib/api";

type ErrorNoticeProps = { error: unknown; title?: string; onRetry?: () => void };

/** A failure in plain words, with the way on: try again, and the id to give to whoever runs Alcove. */
export function ErrorNotice({ error, title, onRetry }: ErrorNoticeProps) {
  const problem = error instanceof ApiProblem ? error : null;
  const heading = title ?? problem?.title ?? "Something went wrong";
  const message = messageOf(error);
  return (
    <div role="alert" className="flex gap-3 rounded-xl border border-danger-line bg-danger-soft px-4 py-3 text-sm">
      <CircleAlert size={18} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-semibold text-ink">{heading}</p>
        {message === heading ? null : <p className="mt-0.5 break-words text-ink-soft">{message}</p>}
        {problem?.traceId ? <p className="mt-1 font-mono text-xs text-ink-faint">Trace {problem.traceId}</p> : null}
        {onRetry ? (
          <Button variant="default" size="xs" mt="xs" onClick={onRetry}>
            Try again
          </Button>
        ) : null}
      </div>
    </div>
  );
}
