import { createMermaidPlugin } from "@streamdown/mermaid";

/** `strict`: labels are text, clicks and scripts of a diagram are dropped. */
export const mermaidPlugin = createMermaidPlugin({
  config: { startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true, fontFamily: "inherit" },
});
