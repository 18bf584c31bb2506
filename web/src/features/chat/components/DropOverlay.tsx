import { FileUp } from "lucide-react";

/** Covers the chat while files hover over it. */
export function DropOverlay() {
  return (
    <div className="pointer-events-none absolute inset-0 z-20 grid place-items-center bg-paper/80 p-6 backdrop-blur-[2px]">
      <div className="grid place-items-center gap-3 rounded-3xl border-2 border-dashed border-accent bg-accent-soft px-12 py-10 text-center text-accent-ink">
        <FileUp size={30} aria-hidden />
        <p className="font-medium">Drop to add to this chat</p>
      </div>
    </div>
  );
}
