import { BookOpen } from "lucide-react";
import type { CollectionRef } from "@/lib/api";

type MentionListProps = {
  options: readonly CollectionRef[];
  index: number;
  onHover: (index: number) => void;
  onChoose: (collection: CollectionRef) => void;
};

/** Collections that match the `#…` being typed; the text field keeps the focus. */
export function MentionList({ options, index, onHover, onChoose }: MentionListProps) {
  return (
    <div
      id="mention-list"
      role="listbox"
      aria-label="Collections"
      className="absolute bottom-full left-3 z-10 mb-2 w-72 overflow-hidden rounded-xl border border-line bg-raised p-1 shadow-float"
    >
      {options.map((option, at) => (
        <div
          key={option.id}
          role="option"
          tabIndex={-1}
          aria-selected={at === index}
          className={`flex cursor-pointer items-center gap-2 rounded-lg px-2.5 py-2 text-sm ${at === index ? "bg-hover" : ""}`}
          onMouseEnter={() => onHover(at)}
          onMouseDown={(event) => {
            event.preventDefault();
            onChoose(option);
          }}
        >
          <BookOpen size={15} className="shrink-0 text-accent" aria-hidden />
          <span className="truncate">{option.name}</span>
        </div>
      ))}
    </div>
  );
}
