/**
 * Makes formulas unambiguous before Markdown is parsed: `\(x\)` and `\[x\]` become `$x$` and `$$x$$`, and a single dollar that
 * cannot open a formula (prices: "$5 and $10") is escaped. Code is left as it is.
 *
 * The rule for a single dollar is Pandoc's (`tex_math_dollars`): the opening one has a character right after it, the closing
 * one has a character right before it and no digit after it.
 */
export function normaliseMath(text: string): string {
  if (!text.includes("$") && !text.includes("\\(") && !text.includes("\\[")) return text;
  return splitCode(text)
    .map((part) => (part.isCode ? part.text : normaliseProse(part.text)))
    .join("");
}

type Part = { isCode: boolean; text: string };

const CODE = /^(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^\1[`~]*[ \t]*$|$(?![\s\S]))|(`+)(?!`)[^\n]*?[^`]\2(?!`)/gm;

function splitCode(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(CODE)) {
    if (match.index > from) parts.push({ isCode: false, text: text.slice(from, match.index) });
    parts.push({ isCode: true, text: match[0] });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ isCode: false, text: text.slice(from) });
  return parts;
}

function normaliseProse(text: string): string {
  const converted = text
    .replaceAll(/\\\[([\s\S]+?)\\\]/g, (_all, inner: string) => `\n$$\n${inner.trim()}\n$$\n`)
    .replaceAll(/\\\(([^\n]+?)\\\)/g, (_all, inner: string) => `$${inner.trim()}$`);
  return escapeLooseDollars(converted);
}

function escapeLooseDollars(text: string): string {
  let out = "";
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    if (char === "\\") {
      out += text.slice(at, at + 2);
      at += 2;
    } else if (char !== "$") {
      out += char;
      at += 1;
    } else if (text[at + 1] === "$") {
      const end = text.indexOf("$$", at + 2);
      const stop = end === -1 ? text.length : end + 2;
      out += text.slice(at, stop);
      at = stop;
    } else {
      const end = closingDollar(text, at);
      out += end === -1 ? "\\$" : text.slice(at, end + 1);
      at = end === -1 ? at + 1 : end + 1;
    }
  }
  return out;
}

function closingDollar(text: string, open: number): number {
  if (/\s/.test(text[open + 1] ?? " ")) return -1;
  for (let at = open + 1; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === "\n" && text[at + 1] === "\n") return -1;
    else if (char === "$") {
      const closes = !/\s/.test(text[at - 1] ?? " ") && !/\d/.test(text[at + 1] ?? "");
      return closes ? at : -1;
    }
  }
  return -1;
}
