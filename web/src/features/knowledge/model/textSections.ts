import type { DocumentText } from "@/lib/api";

/** A part of a document's text that is drawn on its own; `page` is null where the file has no pages. */
export type TextSection = { page: number | null; start: number; text: string };

const BLOCK = 6000;

/** Cuts a document's text at its pages, or without pages into blocks at line ends, so that a browser draws only what is seen. */
export function textSections({ text, pages }: Pick<DocumentText, "text" | "pages">): TextSection[] {
  if (pages.length > 0) {
    return pages.map(({ page, start, end }) => ({ page, start, text: text.slice(start, end) }));
  }
  const sections: TextSection[] = [];
  let start = 0;
  while (start < text.length) {
    const end = endOfBlock(text, start);
    sections.push({ page: null, start, text: text.slice(start, end) });
    start = end;
  }
  return sections;
}

function endOfBlock(text: string, start: number): number {
  if (start + BLOCK >= text.length) return text.length;
  const line = text.lastIndexOf("\n", start + BLOCK);
  return line > start ? line + 1 : start + BLOCK;
}
