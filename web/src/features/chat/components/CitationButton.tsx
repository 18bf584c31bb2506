import { Tooltip } from "@mantine/core";
import type { Source } from "@/lib/api";

type CitationButtonProps = { number: number; source: Source | undefined; isShown: boolean; onOpen: (number: number) => void };

/** A `[1]` in an answer: shows which document on hover, and opens the passage. */
export function CitationButton({ number, source, isShown, onOpen }: CitationButtonProps) {
  if (source === undefined) return `[${number}]`;
  const place = source.page === null ? source.document : `${source.document}, page ${source.page}`;
  return (
    <Tooltip label={place} openDelay={150}>
      <button
        type="button"
        aria-label={`Source ${number}: ${place}`}
        aria-pressed={isShown}
        onClick={() => onOpen(number)}
        className={`mx-0.5 inline-grid h-[1.2em] min-w-[1.2em] translate-y-[-0.12em] place-items-center rounded-[0.35em] px-[0.3em] align-baseline text-[0.72em] leading-none font-semibold transition-colors ${isShown ? "bg-accent text-paper" : "bg-accent-soft text-accent-ink hover:bg-accent-line"}`}
      >
        {number}
      </button>
    </Tooltip>
  );
}
