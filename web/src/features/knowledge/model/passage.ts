/** A stretch of text, marked or not. */
export type Piece = { text: string; isMarked: boolean; start: number };

const LETTERS = /[\p{L}\p{N}]+/gu;
const LEAST_WORD = 3;
/** Words of every question, which say nothing of what is asked. */
const COMMON = new Set(
  "the and for are was were how what which who whom whose when where why with from this that these those does did has have had can could should would will must may not you your our their its into about after before than then there der die das und ist sind wie was wer wann wo warum mit von ein eine les des est que qui pour avec".split(" "),
);

/** Cuts a passage at the words of the query, so that they can be marked. Words match at their beginning: "invoice" marks "invoices". */
export function markWords(passage: string, query: string): Piece[] {
  const stems = [...query.toLowerCase().matchAll(LETTERS)].map(([word]) => word).filter((word) => word.length >= LEAST_WORD && !COMMON.has(word));
  if (stems.length === 0) return [{ text: passage, isMarked: false, start: 0 }];
  const ranges: [number, number][] = [];
  for (const match of passage.matchAll(LETTERS)) {
    const word = match[0].toLowerCase();
    if (stems.some((stem) => isSameWord(word, stem))) ranges.push([match.index, match.index + match[0].length]);
  }
  return cut(passage, ranges);
}

/** Cuts a text at one range, given in offsets of the whole document; the text begins at `offset` there. */
export function markRange(text: string, offset: number, start: number, end: number): Piece[] {
  const from = Math.max(0, start - offset);
  const to = Math.min(text.length, end - offset);
  return from < to ? cut(text, [[from, to]]) : [{ text, isMarked: false, start: 0 }];
}

function isSameWord(word: string, stem: string): boolean {
  if (word === stem) return true;
  return stem.length > LEAST_WORD && (word.startsWith(stem) || (stem.startsWith(word) && word.length > LEAST_WORD));
}

function cut(text: string, ranges: readonly [number, number][]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const [from, to] of ranges) {
    if (from > at) pieces.push({ text: text.slice(at, from), isMarked: false, start: at });
    pieces.push({ text: text.slice(from, to), isMarked: true, start: from });
    at = to;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), isMarked: false, start: at });
  return pieces;
}
