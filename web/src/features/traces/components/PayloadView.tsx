import { Button, SegmentedControl } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { CopyButton } from "@/ui";
import { JsonView } from "@/ui/JsonView";
import { type ReadChunk, readPayload, type ReadMessage } from "../model/payload";

const LONG_TEXT = 12_000;

/** An input or output as a person reads it, with the exact JSON one click away. */
export function PayloadView({ title, value }: { title: string; value: unknown }) {
  const payload = useMemo(() => readPayload(value), [value]);
  const [isRaw, setRaw] = useState(false);
  const canBoth = payload.kind === "messages" || payload.kind === "chunks";
  return (
    <div role="group" aria-label={title}>
      <div className="mb-1.5 flex min-h-7 items-center gap-2">
        <h3 className="flex-1 text-sm font-semibold">{title}</h3>
        {canBoth ? (
          <SegmentedControl
            size="xs"
            aria-label={`${title} shown as`}
            value={isRaw ? "json" : "readable"}
            onChange={(shown) => setRaw(shown === "json")}
            data={[
              { value: "readable", label: "Readable" },
              { value: "json", label: "JSON" },
            ]}
          />
        ) : null}
        {payload.kind === "text" ? <CopyButton value={payload.text} label={`Copy ${title.toLowerCase()}`} size="sm" /> : null}
      </div>
      {isRaw || payload.kind === "json" ? (
        <JsonView value={value} label={title.toLowerCase()} />
      ) : payload.kind === "nothing" ? (
        <p className="text-sm text-ink-faint">Nothing recorded.</p>
      ) : payload.kind === "text" ? (
        <div className="rounded-lg border border-line bg-sunken p-3">
          <LongText text={payload.text} />
        </div>
      ) : payload.kind === "messages" ? (
        <Messages messages={payload.messages} />
      ) : (
        <Chunks chunks={payload.chunks} />
      )}
    </div>
  );
}

function LongText({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > LONG_TEXT && !isWhole;
  return (
    <>
      <p className="text-sm leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]">{isLong ? text.slice(0, LONG_TEXT) : text}</p>
      {isLong ? (
        <Button size="compact-sm" variant="default" mt="xs" onClick={() => setWhole(true)}>
          Show all {text.length} characters
        </Button>
      ) : null}
    </>
  );
}

function Messages({ messages }: { messages: readonly ReadMessage[] }) {
  return (
    <ol className="space-y-2">
      {messages.map((message, index) => (
        // Messages have no id of their own and never change place.
        // oxlint-disable-next-line react/no-array-index-key
        <li key={index} className="rounded-lg border border-line bg-sunken p-3">
          <p className="mb-1 text-xs font-semibold text-ink-faint">
            {message.role}
            {message.note ? <span className="font-normal"> {message.note}</span> : null}
          </p>
          {message.text ? <LongText text={message.text} /> : null}
          {message.toolCalls.length > 0 ? <JsonView value={message.toolCalls} label="tool calls" /> : null}
          {!message.text && message.toolCalls.length === 0 ? <p className="text-sm text-ink-faint">empty</p> : null}
        </li>
      ))}
    </ol>
  );
}

function Chunks({ chunks }: { chunks: readonly ReadChunk[] }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="max-h-[32rem] overflow-auto rounded-lg border border-line" tabIndex={0} role="group" aria-label="Passages retrieved">
      <table className="w-full text-left text-sm">
        <thead className="bg-sunken text-xs text-ink-faint">
          <tr>
            <th scope="col" className="px-3 py-2 text-right font-medium">
              Score
            </th>
            <th scope="col" className="px-3 py-2 font-medium">
              Passage
            </th>
          </tr>
        </thead>
        <tbody>
          {chunks.map((chunk, index) => (
            // oxlint-disable-next-line react/no-array-index-key
            <tr key={index} className="border-t border-line align-top">
              <td className="px-3 py-2 text-right tabular-nums">{chunk.score === null ? "–" : chunk.score.toFixed(3)}</td>
              <td className="px-3 py-2">
                <ChunkOrigin chunk={chunk} />
                <p className="line-clamp-6 text-ink-soft [overflow-wrap:anywhere]">{chunk.text}</p>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ChunkOrigin({ chunk }: { chunk: ReadChunk }) {
  const name = `${chunk.document ?? "Unknown document"}${chunk.page === null ? "" : `, page ${chunk.page}`}`;
  if (!chunk.collectionId || !chunk.documentId) return <p className="font-medium [overflow-wrap:anywhere]">{name}</p>;
  return (
    <Link
      to="/knowledge/$collectionId"
      params={{ collectionId: chunk.collectionId }}
      search={{ document: chunk.documentId } as never}
      className="rounded-sm font-medium [overflow-wrap:anywhere] hover:text-accent-ink hover:underline"
    >
      {name}
    </Link>
  );
}
