/** A `#…` being typed before the caret. */
export type Mention = { start: number; end: number; query: string };

/** Finds the `#word` the caret stands in; a `#` counts only at the start of a word, so headings and anchors do not. */
export function mentionAt(text: string, caret: number): Mention | null {
  const match = /(?:^|\s)#([\p{L}\p{N}_-]{0,40})$/u.exec(text.slice(0, caret));
  if (match === null) return null;
  const query = match[1] ?? "";
  return { start: caret - query.length - 1, end: caret, query };
}

/** The text without the mention. */
export function withoutMention(text: string, mention: Mention): string {
  return `${text.slice(0, mention.start)}${text.slice(mention.end)}`;
}
