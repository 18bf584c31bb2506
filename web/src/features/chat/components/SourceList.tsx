import { FileText } from "lucide-react";
import { useState } from "react";
import type { Message, Source } from "@/lib/api";

type SourceListProps = { message: Message; shown: number | null; onOpen: (number: number) => void };

/** The passages an answer rests on; those that were found but not cited are one click away. */
export function SourceList({ message, shown, onOpen }: SourceListProps) {
  const [isOpen, setOpen] = useState(false);
  const cited = citedNumbers(message);
  const first = message.sources.filter((source) => cited.has(source.number));
  const others = message.sources.filter((source) => !cited.has(source.number));
  const limited = isOpen ? [...first, ...others] : first.slice(0, 6);
  const hidden = message.sources.length - limited.length;
  // Passages that were found but that nothing rests on would look like evidence.
  if (first.length === 0) return null;
  return (
    <section aria-label="Sources" className="mt-4">
      <ul className="flex flex-wrap gap-2">
        {limited.map((source) => (
          <li key={source.number} className="max-w-full">
            <SourceChip source={source} isShown={shown === source.number} isCited={cited.has(source.number)} onOpen={onOpen} />
          </li>
        ))}
        {hidden > 0 || isOpen ? (
          <li>
            <button
              type="button"
              className="h-8 rounded-lg px-2 text-sm text-ink-faint hover:bg-hover hover:text-ink"
              onClick={() => setOpen((open) => !open)}
            >
              {isOpen ? "Show fewer" : `${hidden} more found`}
            </button>
          </li>
        ) : null}
      </ul>
    </section>
  );
}

type SourceChipProps = { source: Source; isShown: boolean; isCited: boolean; onOpen: (number: number) => void };

function SourceChip({ source, isShown, isCited, onOpen }: SourceChipProps) {
  return (
    <button
      type="button"
      onClick={() => onOpen(source.number)}
      aria-pressed={isShown}
      className={`flex h-8 max-w-full items-center gap-2 rounded-lg border px-2 text-sm transition-colors ${isShown ? "border-accent bg-accent-soft" : "border-line bg-raised hover:border-line-strong hover:bg-hover/50"}`}
    >
      <span
        className={`grid h-[1.15rem] min-w-[1.15rem] place-items-center rounded px-1 text-[0.7rem] font-semibold ${isCited ? "bg-accent-soft text-accent-ink" : "bg-sunken text-ink-faint"}`}
      >
        {source.number}
      </span>
      <FileText size={14} className="shrink-0 text-ink-faint" aria-hidden />
      <span className="truncate">{source.document}</span>
      {source.page === null ? null : <span className="shrink-0 text-ink-faint">p. {source.page}</span>}
    </button>
  );
}

/** Numbers the answer really uses: from its citations, and from the markers in its text. */
export function citedNumbers(message: Pick<Message, "content" | "citations">): ReadonlySet<number> {
  const numbers = new Set(message.citations.map((citation) => citation.number));
  for (const match of message.content.matchAll(/\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g)) {
    for (const number of (match[1] ?? "").split(",")) numbers.add(Number(number));
  }
  return numbers;
}
