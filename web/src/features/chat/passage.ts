import type { Citation, DocumentText, Source } from "@/lib/api";

/** A piece of a document as the source panel draws it. */
export type Segment = { text: string; kind: "context" | "chunk" | "cited" };

export type Passage = {
  segments: Segment[];
  hasMoreBefore: boolean;
  hasMoreAfter: boolean;
};

type Range = { start: number; end: number };

/**
 * The source's text with the cited sentences marked, inside `around` characters of its document on both sides. Without the
 * document (not loaded, or it does not match the source's offsets) the source's own text is all there is.
 */
export function passageOf(source: Source, citations: readonly Citation[], document: DocumentText | null, around: number): Passage {
  const placed = placeIn(source, document);
  const text = placed ? placed.document : source.text;
  const chunk: Range = placed ? placed.chunk : { start: 0, end: source.text.length };
  const from = placed ? Math.min(chunk.start, wordStart(text, Math.max(0, chunk.start - around))) : 0;
  const to = placed ? Math.max(chunk.end, wordEnd(text, Math.min(text.length, chunk.end + around))) : text.length;
  const cited = citations
    .filter((citation) => citation.number === source.number)
    .map((citation) => citedRange(citation, text, chunk, placed !== null))
    .filter((range) => range !== null);
  return {
    segments: cut(text, from, to, chunk, mergeRanges(cited)),
    hasMoreBefore: from > 0,
    hasMoreAfter: to < text.length,
  };
}

function placeIn(source: Source, document: DocumentText | null): { document: string; chunk: Range } | null {
  if (document === null) return null;
  const { start, end } = source;
  if (start !== null && end !== null && start < end && end <= document.text.length) {
    return { document: document.text, chunk: { start, end } };
  }
  const found = document.text.indexOf(source.text);
  return found === -1 ? null : { document: document.text, chunk: { start: found, end: found + source.text.length } };
}

function citedRange(citation: Citation, text: string, chunk: Range, isPlaced: boolean): Range | null {
  const { start, end } = citation;
  if (isPlaced && start !== null && end !== null && start < end && end <= text.length) return { start, end };
  if (!citation.quote) return null;
  const inChunk = findLoosely(text.slice(chunk.start, chunk.end), citation.quote);
  return inChunk === null ? null : { start: chunk.start + inChunk.start, end: chunk.start + inChunk.end };
}

/** Finds a quote whose white space may differ from the text's (line breaks of a PDF). */
function findLoosely(text: string, quote: string): Range | null {
  const words = quote.trim().split(/\s+/).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  if (words.length === 0 || words[0] === "") return null;
  const match = new RegExp(words.join(String.raw`\s+`)).exec(text);
  return match === null ? null : { start: match.index, end: match.index + match[0].length };
}

function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}

function cut(text: string, from: number, to: number, chunk: Range, cited: readonly Range[]): Segment[] {
  const edges = new Set([from, to, chunk.start, chunk.end, ...cited.flatMap((range) => [range.start, range.end])]);
  const points = [...edges].filter((point) => point >= from && point <= to).sort((a, b) => a - b);
  const segments: Segment[] = [];
  for (let index = 0; index + 1 < points.length; index += 1) {
    const start = points[index] ?? 0;
    const end = points[index + 1] ?? start;
    const isCited = cited.some((range) => range.start <= start && end <= range.end);
    const isChunk = chunk.start <= start && end <= chunk.end;
    segments.push({ text: text.slice(start, end), kind: isCited ? "cited" : isChunk ? "chunk" : "context" });
  }
  return segments;
}

function wordStart(text: string, at: number): number {
  if (at === 0 || /\s/.test(text[at - 1] ?? "")) return at;
  const space = text.slice(at, at + 40).search(/\s/);
  return space === -1 ? at : at + space + 1;
}

function wordEnd(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const space = text.slice(Math.max(0, at - 40), at).search(/\s\S*$/);
  return space === -1 ? at : Math.max(0, at - 40) + space;
}
