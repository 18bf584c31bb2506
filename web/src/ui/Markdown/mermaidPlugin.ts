import { createMermaidPlugin } from "@streamdown/mermaid";
import { plainDiagram } from "./plainDiagram";

/** What a diagram's own configuration may not set, should one get as far as Mermaid. */
const SECURE = [
  "secure", "securityLevel", "startOnLoad", "maxTextSize", "maxEdges", "suppressErrorRendering", "htmlLabels", "flowchart",
  "dompurifyConfig", "theme", "themeCSS", "themeVariables", "fontFamily", "altFontFamily",
];

/** Labels are SVG text, never HTML; clicks and scripts of a diagram are dropped. */
const mermaid = createMermaidPlugin({
  config: {
    startOnLoad: false,
    securityLevel: "strict",
    htmlLabels: false,
    secure: SECURE,
    suppressErrorRendering: true,
    fontFamily: "inherit",
  },
});

type Config = Parameters<typeof mermaid.getMermaid>[0];

export const mermaidPlugin = {
  ...mermaid,
  getMermaid(config?: Config) {
    const { initialize, render } = mermaid.getMermaid(config);
    return {
      initialize,
      async render(id: string, source: string) {
        const drawn = await render(id, plainDiagram(source));
        return { svg: withEntities(drawn.svg) };
      },
    };
  },
};

/** Mermaid leaves `#quot;` and `#35;` in SVG labels undone; as character references they stay text. */
function withEntities(svg: string): string {
  return svg.replace(/<tspan\b[^>]*>[^<]*/g, (part) => part.replace(/&amp;(quot|apos|nbsp|#\d{2,6});/g, "&$1;"));
}
