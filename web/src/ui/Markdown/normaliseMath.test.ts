import { describe, expect, it } from "vitest";
import { normaliseMath } from "./normaliseMath";

describe("normaliseMath", () => {
  it.each([
    ["inline formulas", "so $x^2$ holds", "so $x^2$ holds"],
    ["display formulas", "$$\nx\n$$", "$$\nx\n$$"],
    ["prices", "from $5 to $10", String.raw`from \$5 to \$10`],
    ["a price before a formula", "$5 for $x$ items", String.raw`\$5 for $x$ items`],
    ["a dollar at the end", "it costs 5$", String.raw`it costs 5\$`],
    ["LaTeX brackets", String.raw`so \(x\) and \[y\]`, "so $x$ and \n$$\ny\n$$\n"],
    ["escaped dollars", String.raw`\$5 and \$6`, String.raw`\$5 and \$6`],
    ["a formula that would span paragraphs", "$a\n\nb$", String.raw`\$a` + "\n\n" + String.raw`b\$`],
    ["code spans", "`$HOME and $PATH`", "`$HOME and $PATH`"],
    ["code blocks", "```sh\necho $HOME $PATH\n```\n$5", "```sh\necho $HOME $PATH\n```\n\\$5"],
    ["an open code block", "```sh\necho $HOME", "```sh\necho $HOME"],
    ["no formula at all", "plain [1] text", "plain [1] text"],
  ])("handles %s", (_what, text, expected) => {
    expect(normaliseMath(text)).toBe(expected);
  });
});
