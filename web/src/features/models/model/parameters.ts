type Value = string | number | boolean;

/**
 * Reads options written one a line, as in a Modelfile: `temperature 0.7`. A name that comes again makes a list (`stop`).
 *
 * Throws an Error that says which line is wrong.
 */
export function parseParameters(text: string): Record<string, Value | Value[]> {
  const found: Record<string, Value | Value[]> = {};
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim().replace(/^PARAMETER\s+/i, "");
    if (line === "" || line.startsWith("#")) continue;
    const match = /^([A-Za-z_][A-Za-z0-9_]*)\s+(.+)$/.exec(line);
    const [, name = "", value = ""] = match ?? [];
    if (!match) throw new Error(`Line ${index + 1} needs a name and a value, such as: temperature 0.7`);
    const before = found[name];
    const next = valueOf(value.trim());
    found[name] = before === undefined ? next : [...(Array.isArray(before) ? before : [before]), next];
  }
  return found;
}

function valueOf(text: string): Value {
  if (text === "true" || text === "false") return text === "true";
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (/^".*"$/s.test(text)) {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "string") return value;
    } catch {
      // Not as JSON writes it: the quotes alone go.
    }
    return text.slice(1, -1);
  }
  return text;
}
