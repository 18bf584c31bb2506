import { describe, expect, it } from "vitest";
import { plainDiagram } from "./plainDiagram";

describe("a diagram's source", () => {
  it.each([
    'flowchart LR\n  A[Start<br/>here] --> B{Is it < 5?}\n  B -->|Yes, a & b| C\n  style A fill:#f9f,stroke-width:4px',
    "flowchart LR\n  url(Browser URL) --> image(Image)\n  classDef hot fill:rgb(255, 200, 200),stroke:#f66;",
    'flowchart LR\n  X@{ shape: doc, label: "A document" }\n  e1@{ animate: true }',
    "classDiagram\n  class Animal {\n    <<interface>>\n    +List~String~ tags\n  }\n  Animal <|-- Duck",
    "sequenceDiagram\n  A->>+B: is x < y?\n  B-->>-A: no<br>never",
    "mindmap\n  root\n    click here for details",
    "---\ntitle: Social media\n---\ntimeline\n  2002 : LinkedIn",
    'C4Context\n  UpdateElementStyle(a, $bgColor="grey")',
  ])("stays as it is when it is plain: %s", (source) => {
    expect(plainDiagram(source)).toBe(source);
  });

  it.each([
    ["a tag", 'graph TD\nA["<img src=x onerror=1>"]'],
    ["a tag that is never closed", 'graph TD\nA["<img src=x onerror=1 "]'],
    ["a tag behind a stereotype", 'graph TD\nA["<<b>><img src=x>"]'],
    ["a tag with a directive in it", 'graph TD\nA["<%%{x}%%img src=x>"]'],
    ["a tag with shape data in it", 'graph TD\nA["<@{ q: 1 }img src=x>"]'],
    ["an end tag", 'graph TD\nA["</style><!-- x -->"]'],
  ])("keeps no HTML: %s", (_what, source) => {
    expect(plainDiagram(source).replaceAll("<<b>>", "")).not.toMatch(/<[a-z/!?]/i);
  });

  it.each([
    ["a directive", '%%{init: {"securityLevel": "loose"}}%%\ngraph TD\nA'],
    ["a directive that is never closed", '%%{init: {"securityLevel": "loose"}}\ngraph TD\nA'],
    ["a directive in a directive", '%%%%{x}%%{init: {"securityLevel": "loose"}}%%\ngraph TD\nA'],
    ["a directive joined by what is taken out", '%%@{ q: 1 }{init: {"securityLevel": "loose"}}%%\ngraph TD\nA'],
    ["front matter", "---\nconfig:\n  securityLevel: loose\n---\ngraph TD\nA"],
    ["indented front matter with other line ends", "  ---\r\n  config:\r\n    securityLevel: loose\r\n  ---\r\ngraph TD\r\nA"],
  ])("brings no settings: %s", (_what, source) => {
    const plain = plainDiagram(source);
    expect(plain).not.toContain("%%{");
    expect(plain).not.toMatch(/^\s*---/);
  });

  it("keeps only a plain title of front matter", () => {
    expect(plainDiagram("---\ntitle: Plain\nconfig:\n  theme: dark\n---\ngraph TD\nA")).toBe("---\ntitle: Plain\n---\ngraph TD\nA");
    expect(plainDiagram('---\ntitle: "\\x3cimg src=x\\x3e"\n---\ngraph TD\nA')).toBe("graph TD\nA");
  });

  it.each([
    ["a picture as a shape", 'graph TD\nA@{ img: "http://evil.example/a" }'],
    ["a picture under an escaped key", 'graph TD\nA@{ "\\x69mg": "http://evil.example/a" }'],
    ["a style", "graph TD\nstyle A background:url(http://evil.example/a)"],
    ["a style after a semicolon", "graph TD; classDef k fill:url(//evil.example/a)"],
    ["an escaped style", "stateDiagram-v2\nclassDef k background:\\75rl(http://evil.example/a)"],
    ["a click", 'graph TD\nclick A href "http://evil.example/a"'],
    ["links of an actor", 'sequenceDiagram\n  links A: {"a": "http://evil.example/a"}'],
    ["an icon of an actor", 'sequenceDiagram\n  properties A: {"icon": "http://evil.example/a"}'],
  ])("names no address: %s", (_what, source) => {
    expect(plainDiagram(source)).not.toContain("evil.example");
  });
});
