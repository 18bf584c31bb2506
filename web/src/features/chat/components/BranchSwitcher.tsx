import { ChevronLeft, ChevronRight } from "lucide-react";
import type { Message } from "@/lib/api";
import { IconButton } from "@/ui";
import type { BranchPosition } from "../tree";

type BranchSwitcherProps = { position: BranchPosition; what: string; onSwitch: (message: Message) => void };

/** "2 / 3" between two arrows, where a message has siblings. */
export function BranchSwitcher({ position, what, onSwitch }: BranchSwitcherProps) {
  const { index, count, previous, next } = position;
  if (count < 2) return null;
  return (
    <span className="flex items-center text-xs text-ink-faint" role="group" aria-label={`Versions of this ${what}`}>
      <IconButton label={`Previous ${what}`} size="sm" disabled={previous === null} onClick={() => previous && onSwitch(previous)}>
        <ChevronLeft size={15} aria-hidden />
      </IconButton>
      <span className="tabular-nums">
        {index + 1} / {count}
      </span>
      <IconButton label={`Next ${what}`} size="sm" disabled={next === null} onClick={() => next && onSwitch(next)}>
        <ChevronRight size={15} aria-hidden />
      </IconButton>
    </span>
  );
}
