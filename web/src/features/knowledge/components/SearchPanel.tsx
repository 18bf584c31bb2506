import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { Collection, SearchRequest, SearchResult, Source } from "@/lib/api";
import { formatDuration } from "@/lib/time";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { useSearchCollection } from "../api/useSearchCollection";
import { markWords } from "../model/passage";
import { MarkedText } from "./MarkedText";

type Strategy = NonNullable<SearchRequest["strategy"]>;
type Passage = { documentId: string; start: number | null; end: number | null };

const STRATEGIES: Record<Strategy, { label: string; explanation: string }> = {
  hybrid: { label: "Hybrid", explanation: "Meaning and exact words together. This is what a chat uses." },
  dense: { label: "Dense", explanation: "By meaning only: finds other words for the same thing." },
  sparse: { label: "Sparse", explanation: "By words only: finds names, numbers and exact terms." },
};

/** A search as a chat would run it, laid open: which passages come back, how high, and how long each step took. */
export function SearchPanel({ collection, onOpen }: { collection: Collection; onOpen: (passage: Passage) => void }) {
  const [text, setText] = useState("");
  const [strategy, setStrategy] = useState<Strategy>("hybrid");
  const search = useSearchCollection(collection.id);

  const run = (query: string, how: Strategy) => {
    if (query.trim()) search.mutate({ query: query.trim(), strategy: how, top_k: 10 });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run(text, strategy);
  };
  return (
    <div>
      <form onSubmit={submit} role="search" className="flex flex-wrap items-end gap-3">
        <TextInput
          className="min-w-0 flex-1 basis-64"
          label="Question or words"
          placeholder="How long is the notice period?"
          leftSection={<Search size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button type="submit" disabled={!text.trim()} loading={search.isPending}>
          Search
        </Button>
      </form>
      <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <SegmentedControl
          size="xs"
          aria-label="Strategy"
          value={strategy}
          onChange={(value) => {
            const how = value as Strategy;
            setStrategy(how);
            if (search.data) run(search.variables?.query ?? text, how);
          }}
          data={Object.entries(STRATEGIES).map(([value, { label }]) => ({ value, label }))}
        />
        <p className="text-xs text-ink-faint">{STRATEGIES[strategy].explanation}</p>
      </div>
      <div className="mt-5" aria-live="polite" aria-busy={search.isPending}>
        <Answer search={search} collection={collection} onOpen={onOpen} />
      </div>
    </div>
  );
}

type AnswerProps = {
  search: ReturnType<typeof useSearchCollection>;
  collection: Collection;
  onOpen: (passage: Passage) => void;
};

function Answer({ search, collection, onOpen }: AnswerProps) {
  if (search.isPending && !search.data) return <Loading label="Searching" />;
  if (search.isError) return <ErrorNotice error={search.error} title="The search did not work" />;
  if (!search.data) {
    return (
      <EmptyState icon={<Search size={22} />} title="See what a chat would find">
        <p>
          {collection.chunk_count === 0
            ? "Add a document first. Then ask here as you would in a chat, and see which passages come back."
            : "Ask as you would in a chat. If the right passage is not among the first few, the answer cannot be right either."}
        </p>
      </EmptyState>
    );
  }
  const query = search.variables?.query ?? "";
  if (search.data.sources.length === 0) {
    return <p className="py-6 text-sm text-ink-soft">Nothing in “{collection.name}” matches “{query}”.</p>;
  }
  const best = Math.max(...search.data.sources.map((source) => source.score), Number.MIN_VALUE);
  return (
    <>
      <Latency result={search.data} />
      <ol className="space-y-3" aria-label="Passages found">
        {search.data.sources.map((source) => (
          <Hit key={`${source.document_id}-${source.chunk_index}`} source={source} query={query} best={best} onOpen={onOpen} />
        ))}
      </ol>
    </>
  );
}

function Latency({ result }: { result: SearchResult }) {
  const stages = Object.entries(result.latency_ms);
  return (
    <dl className="mb-3 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-faint tabular-nums" aria-label="Time each step took">
      {stages.map(([stage, ms]) => (
        <div key={stage} className="flex gap-1.5">
          <dt>{stage.replaceAll("_", " ")}</dt>
          <dd className="font-medium text-ink-soft">{ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms)}</dd>
        </div>
      ))}
    </dl>
  );
}

type HitProps = { source: Source; query: string; best: number; onOpen: (passage: Passage) => void };

function Hit({ source, query, best, onOpen }: HitProps) {
  const share = Math.max(0, Math.min(1, source.score / best));
  return (
    <li className="rounded-xl border border-line bg-raised p-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="text-xs font-semibold text-ink-faint tabular-nums">{source.number}</span>
        <button
          type="button"
          className="min-w-0 flex-1 basis-40 truncate rounded-sm text-left text-sm font-medium hover:text-accent-ink hover:underline"
          onClick={() => onOpen({ documentId: source.document_id, start: source.start, end: source.end })}
        >
          {source.document}
          {source.page === null ? "" : `, page ${source.page}`}
        </button>
        <span className="flex items-center gap-2 text-xs text-ink-faint tabular-nums">
          <span className="h-1 w-14 overflow-hidden rounded-full bg-hover" aria-hidden>
            <span className="block h-full rounded-full bg-accent" style={{ width: `${share * 100}%` }} />
          </span>
          <span>score {source.score.toFixed(3)}</span>
        </span>
      </div>
      <p className="mt-2 text-sm leading-relaxed break-words whitespace-pre-line text-ink-soft">
        <MarkedText pieces={markWords(source.text.trim(), query)} />
      </p>
    </li>
  );
}
