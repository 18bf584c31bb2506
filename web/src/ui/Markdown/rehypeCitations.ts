/**
 * Turns `[3]` in running text into a `cite-marker` element that the page draws as a button.
 *
 * Runs after sanitising, so a model cannot write the element itself. Code, links and formulas are left alone.
 */
type TextNode = { type: "text"; value: string };
type ElementNode = { type: "element"; tagName: string; properties: Record<string, unknown>; children: HastNode[] };
type OtherNode = { type: string; children?: HastNode[] };
export type HastNode = TextNode | ElementNode | OtherNode;

const MARKER = /\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g;
const SKIPPED = new Set(["code", "pre", "a", "math", "svg"]);

export function rehypeCitations() {
  return (tree: HastNode): void => visit(tree);
}

function visit(node: HastNode): void {
  if (!("children" in node) || node.children === undefined) return;
  if ("tagName" in node && SKIPPED.has(node.tagName)) return;
  const children: HastNode[] = [];
  for (const child of node.children) {
    if (child.type === "text" && "value" in child) {
      children.push(...split(child.value));
    } else {
      visit(child);
      children.push(child);
    }
  }
  node.children = children;
}

function split(value: string): HastNode[] {
  const nodes: HastNode[] = [];
  let from = 0;
  for (const match of value.matchAll(MARKER)) {
    const before = value.slice(from, match.index);
    if (before) nodes.push({ type: "text", value: before });
    for (const number of (match[1] ?? "").split(",")) {
      nodes.push({
        type: "element",
        tagName: "cite-marker",
        properties: { number: number.trim() },
        children: [{ type: "text", value: `[${number.trim()}]` }],
      });
    }
    from = match.index + match[0].length;
  }
  if (from === 0) return [{ type: "text", value }];
  const rest = value.slice(from);
  if (rest) nodes.push({ type: "text", value: rest });
  return nodes;
}
