import type { Piece } from "../model/passage";

/** A text with some of its words marked. */
export function MarkedText({ pieces }: { pieces: readonly Piece[] }) {
  return pieces.map((piece) =>
    piece.isMarked ? (
      <mark key={piece.start} className="rounded-[3px] bg-mark px-px text-ink">
        {piece.text}
      </mark>
    ) : (
      <span key={piece.start}>{piece.text}</span>
    ),
  );
}
