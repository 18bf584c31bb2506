import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { ChevronRight, CircleAlert, RefreshCw, Route as TraceIcon } from "lucide-react";
import { memo, useCallback } from "react";
import type { Message, Problem } from "@/lib/api";
import { formatCount } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import { CopyButton, IconButton, Markdown } from "@/ui";
import { useAnswer } from "../session";
import { type Answer, EMPTY_ANSWER, messageWith } from "../stream/reducer";
import type { BranchPosition } from "../tree";
import { BranchSwitcher } from "./BranchSwitcher";
import { CitationButton } from "./CitationButton";
import { SourceList } from "./SourceList";

type AssistantMessageProps = {
  message: Message;
  position: BranchPosition;
  /** The source on display in the panel, when it is one of this answer. */
  shownSource: number | null;
  canRegenerate: boolean;
  onOpenSource: (message: Message, number: number) => void;
  onRegenerate: (message: Message) => void;
  onSwitch: (message: Message) => void;
};

/** An answer, stored or being written; both are drawn by the same code. */
export const AssistantMessage = memo(function AssistantMessage(props: AssistantMessageProps) {
  const answer = useAnswer(props.message.id);
  const isLive = props.message.status === "streaming";
  return <AnswerView {...props} message={isLive ? messageWith(props.message, answer) : props.message} answer={isLive ? answer : EMPTY_ANSWER} />;
});

function AnswerView(props: AssistantMessageProps & { answer: Answer }) {
  const { message, answer, position, shownSource, canRegenerate, onOpenSource, onRegenerate, onSwitch } = props;
  const isStreaming = message.status === "streaming";
  const { sources } = message;
  const open = useCallback((number: number) => onOpenSource(message, number), [onOpenSource, message]);
  const renderCitation = useCallback(
    (number: number) => (
      <CitationButton
        number={number}
        source={sources.find((source) => source.number === number)}
        isShown={shownSource === number}
        onOpen={open}
      />
    ),
    [sources, shownSource, open],
  );
  return (
    <article aria-label="Answer" aria-busy={isStreaming} className="group/message">
      {message.reasoning ? <Reasoning text={message.reasoning} isLive={isStreaming && message.content === ""} /> : null}
      {isStreaming && message.content === "" ? <StatusLine answer={answer} /> : null}
      {message.content ? <Markdown text={message.content} isStreaming={isStreaming} renderCitation={renderCitation} /> : null}
      {isStreaming && message.content !== "" && !answer.isConnected ? <Reconnecting /> : null}
      {isStreaming ? null : <Ending message={message} canRetry={canRegenerate} onRetry={() => onRegenerate(message)} />}
      {isStreaming ? null : <SourceList message={message} shown={shownSource} onOpen={open} />}
      {isStreaming ? null : (
        <footer className="mt-2 flex min-h-7 flex-wrap items-center gap-x-0.5 gap-y-1 text-ink-faint">
          {message.content ? <CopyButton value={message.content} label="Copy answer" size="sm" /> : null}
          {canRegenerate && message.status !== "failed" && message.status !== "interrupted" ? (
            <IconButton label="Answer again" size="sm" onClick={() => onRegenerate(message)}>
              <RefreshCw size={14} aria-hidden />
            </IconButton>
          ) : null}
          {message.trace_id ? (
            <Link
              to="/traces/$traceId"
              params={{ traceId: message.trace_id }}
              className="flex h-[22px] items-center gap-1 rounded px-1.5 text-xs hover:bg-hover hover:text-ink"
            >
              <TraceIcon size={14} aria-hidden /> View trace
            </Link>
          ) : null}
          <BranchSwitcher position={position} what="answer" onSwitch={onSwitch} />
          <Facts message={message} />
        </footer>
      )}
    </article>
  );
}

function Facts({ message }: { message: Message }) {
  const took = message.finished_at ? Date.parse(message.finished_at) - Date.parse(message.created_at) : null;
  const tokens = message.usage ? message.usage.input_tokens + message.usage.output_tokens : null;
  const facts = [
    message.model,
    took === null || took < 1 ? null : formatDuration(took),
    tokens === null || tokens === 0 ? null : `${formatCount(tokens)} tokens`,
  ].filter(Boolean);
  const title = message.usage
    ? `${formatCount(message.usage.input_tokens)} tokens in, ${formatCount(message.usage.output_tokens)} out`
    : undefined;
  return (
    <span className="ml-auto pl-2 text-xs text-ink-faint" title={title}>
      {facts.join(" · ")}
    </span>
  );
}

function Reasoning({ text, isLive }: { text: string; isLive: boolean }) {
  return (
    <details className="group/reasoning mb-3" open={isLive || undefined}>
      <summary className="flex w-fit cursor-pointer list-none items-center gap-1 rounded-md py-0.5 pr-2 text-sm text-ink-faint hover:text-ink">
        <ChevronRight size={15} className="transition-transform group-open/reasoning:rotate-90" aria-hidden />
        {isLive ? <span className="animate-pulse">Thinking…</span> : "How it was thought through"}
      </summary>
      <div className="mt-1 border-l-2 border-line pl-4 text-[0.94em] text-ink-soft">
        <Markdown text={text} isStreaming={isLive} />
      </div>
    </details>
  );
}

function StatusLine({ answer }: { answer: Answer }) {
  const text = !answer.isConnected ? "Connection lost. Trying to reach the server again…" : answer.detail || FALLBACK[answer.phase];
  return (
    <p className="flex items-center gap-2.5 py-1 text-sm text-ink-soft">
      <span className="flex gap-1" aria-hidden>
        {[0, 1, 2].map((dot) => (
          <span
            key={dot}
            className="size-1.5 animate-pulse rounded-full bg-accent"
            style={{ animationDelay: `${dot * 180}ms`, animationDuration: "1.2s" }}
          />
        ))}
      </span>
      {text}
    </p>
  );
}

const FALLBACK: Record<Answer["phase"], string> = {
  waiting: "Starting…",
  reading: "Reading the files…",
  retrieving: "Searching…",
  generating: "Writing…",
  finished: "",
};

function Reconnecting() {
  return <p className="mt-2 text-sm text-ink-faint">Connection lost. Trying to reach the server again…</p>;
}

/** How an answer ended when it did not end well, and the way on. */
function Ending({ message, canRetry, onRetry }: { message: Message; canRetry: boolean; onRetry: () => void }) {
  if (message.status === "stopped") return <p className="mt-3 text-sm text-ink-faint">You stopped this answer.</p>;
  if (message.status !== "failed" && message.status !== "interrupted") return null;
  const isFailed = message.status === "failed";
  return (
    <div
      role="alert"
      className={`mt-3 flex flex-wrap items-start gap-3 rounded-xl border px-4 py-3 text-sm ${isFailed ? "border-danger-line bg-danger-soft" : "border-warn-line bg-warn-soft"}`}
    >
      <CircleAlert size={18} className={`mt-0.5 shrink-0 ${isFailed ? "text-danger" : "text-warn"}`} aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-semibold">{headingOf(message.error, isFailed)}</p>
        <p className="mt-0.5 break-words text-ink-soft">
          {message.error?.detail || "Alcove was stopped while it wrote this answer. What it had is kept."}
        </p>
      </div>
      {canRetry ? (
        <Button size="xs" variant="default" leftSection={<RefreshCw size={14} aria-hidden />} onClick={onRetry}>
          Retry
        </Button>
      ) : null}
    </div>
  );
}

function headingOf(error: Problem | null, isFailed: boolean): string {
  return error?.title || (isFailed ? "This answer failed" : "This answer was interrupted");
}
