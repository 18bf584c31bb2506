/**
 * Gives a Mermaid source in which only shapes, arrows and text are left: no HTML, no configuration of its own, no links,
 * no pictures, no style that could name an address.
 *
 * An answer writes the source, so it is data. Mermaid cleans what it draws, but it parses HTML to do so, it lets a source
 * change its settings and its style sheet, and it fetches pictures. The page's policy stops what would come of that; here
 * it is not even tried.
 */
export function plainDiagram(source: string): string {
  const text = withoutDirectives(withoutFrontMatter(source.replace(/\r\n?/g, "\n")));
  return withoutTags(withoutStatements(withPlainShapes(text))); // last, since what was taken out may have stood in a tag
}

/** What may stand between the lines `---`: a title in plain words; `config` may not. */
function withoutFrontMatter(source: string): string {
  return source.replace(/^\s*---[ \t]*\n([\s\S]*?)\n[ \t]*---[ \t]*(?:\n|$)/, (_, matter: string) => {
    const title = /^[ \t]*title:[ \t]*([^"'\\\n{}[\]&*!|>%@`#]+)$/m.exec(matter)?.[1]?.trim();
    return title ? `---\ntitle: ${title}\n---\n` : "";
  });
}

/** A `<` that could begin a tag becomes `‹`; line breaks and stereotypes (`<<interface>>`) are Mermaid's own. */
function withoutTags(source: string): string {
  const own = /<br[ \t]*\/?>|<<[\w \t]+>>/gi;
  return keeping(own, source, (text) => text.replace(/<([a-z/!?][^<>\n]*)>/gi, "‹$1›").replace(/<(?=[a-z/!?])/gi, "‹"));
}

function keeping(kept: RegExp, source: string, change: (text: string) => string): string {
  const found = source.match(kept) ?? [];
  return source
    .split(kept)
    .map((text, index) => change(text) + (found[index] ?? ""))
    .join("");
}

/** `%%{init: …}%%` and its kin, closed or not. */
function withoutDirectives(source: string): string {
  let text = source;
  while (text.includes("%%{")) text = text.replace(/%%\{[\s\S]*?\}%%/g, " ").replaceAll("%%{", "%% ");
  return text;
}

const SHAPE_KEYS = "shape|label|form|pos|w|h|constraint|animate|animation|curve|assigned|priority|ticket";
const PLAIN_SHAPE = new RegExp(
  `^\\s*(?:(?:${SHAPE_KEYS})[ \\t]*:[ \\t]*(?:"[^"\\\\]*"|'[^'\\\\]*'|[\\w.-]+)[ \\t]*(?:,|\\n|$)\\s*)*$`,
);

/** `A@{ shape: …, label: … }` stays, one that names a picture goes. */
function withPlainShapes(source: string): string {
  return source.replace(/@\{([^}]*)\}?/g, (whole, inside: string) =>
    whole.endsWith("}") && PLAIN_SHAPE.test(inside) ? whole : " ",
  );
}

/** Kinds of diagram whose lines are free text, so that a line may begin with any word. */
const FREE_TEXT = /^\s*(?:mindmap|timeline|journey|kanban|pie|quadrantChart|sankey|treeView|gitGraph|packet)/;
const ACTIVE = /(^|[\n;])[ \t]*(?:click|links?|callback|properties|details)[ \t]+[^\n]*/gi;
const STYLE = /(^|[\n;])[ \t]*(?:style|classDef|linkStyle|Update\w*Style)\b[^\n;]*/gi;
const COLOUR = /\b(?:rgb|rgba|hsl|hsla)\([\d\s.,%/]*\)/gi;

/** Statements that link, call or load something go; so do styles that are more than names, numbers and colours. */
function withoutStatements(source: string): string {
  const text = source.replace(STYLE, (whole, before: string) =>
    /[\\(@]|\/\*/.test(whole.replace(/^[\n;]?[ \t]*Update\w*Style\s*\(/i, "").replace(COLOUR, "")) ? before : whole,
  );
  return FREE_TEXT.test(text.replace(/^---[\s\S]*?\n---\n/, "").replace(/^\s*%%.*$/gm, "")) ? text : text.replace(ACTIVE, "$1");
}
