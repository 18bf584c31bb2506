import { useComputedColorScheme } from "@mantine/core";
import { Link2 } from "lucide-react";
import { createContext, memo, type ReactNode, use, useEffect, useMemo, useRef } from "react";
import { type Components, defaultRehypePlugins, Streamdown } from "streamdown";
import { safeHref } from "./links";
import { normaliseMath } from "./normaliseMath";
import { usePlugins } from "./plugins";
import { rehypeCitations } from "./rehypeCitations";

type MarkdownProps = {
  text: string;
  /** True while more text is coming: half-finished syntax is then completed for display. */
  isStreaming?: boolean;
  /** How a `[n]` in the text is drawn; without it, markers stay plain text. */
  renderCitation?: (number: number) => ReactNode;
};

const CitationContext = createContext<((number: number) => ReactNode) | null>(null);

/**
 * The one Markdown renderer of the page, for streams and history alike. Raw HTML is shown as text, images are never
 * loaded (their address would leak data), and links lead only to http, https and mailto.
 */
export const Markdown = memo(function Markdown({ text, isStreaming = false, renderCitation }: MarkdownProps) {
  const plugins = usePlugins(text);
  const scheme = useComputedColorScheme("light");
  const mermaid = useMemo(() => ({ config: scheme === "dark" ? DARK_DIAGRAM : LIGHT_DIAGRAM }), [scheme]);
  const prepared = useMemo(() => normaliseMath(text), [text]);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (frame.current === null) return;
    // Streamdown's scrolling boxes cannot be reached by keyboard; it also fills them after this text was drawn.
    return keepScrollable(frame.current);
  }, []);
  return (
    <CitationContext value={renderCitation ?? null}>
      <div ref={frame}>
        <Streamdown
          className="markdown"
          mode={isStreaming ? "streaming" : "static"}
          isAnimating={isStreaming}
          parseIncompleteMarkdown={isStreaming}
          components={COMPONENTS}
          rehypePlugins={REHYPE}
          plugins={plugins}
          mermaid={mermaid}
          controls={CONTROLS}
          linkSafety={LINK_SAFETY}
          remend={REMEND}
          lineNumbers={false}
          codeBlockMaxHeight={520}
          tableMaxHeight={520}
          dir="auto"
        >
          {prepared}
        </Streamdown>
      </div>
    </CitationContext>
  );
});

const SCROLLING = '[data-streamdown="code-block-body"], [data-streamdown="table-wrapper"] > :last-child, .katex-display';

function keepScrollable(frame: HTMLElement): () => void {
  const mark = () => {
    for (const box of frame.querySelectorAll(SCROLLING)) {
      const isScrolling = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      if (isScrolling) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    }
  };
  const observer = new ResizeObserver(mark);
  observer.observe(frame);
  mark();
  return () => observer.disconnect();
}

function CitationMarker({ number, children }: { number?: unknown; children?: ReactNode }) {
  const render = use(CitationContext);
  const value = Number(number);
  return render === null || !Number.isInteger(value) ? children : render(value);
}

function SafeLink({ href, children }: { href?: string | undefined; children?: ReactNode }) {
  const safe = safeHref(href);
  if (safe === null) return <span>{children}</span>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function ImageAsLink({ src, alt }: { src?: string | Blob | undefined; alt?: string | undefined }) {
  const safe = typeof src === "string" ? safeHref(src) : null;
  const label = alt || "image";
  if (safe === null || safe.startsWith("mailto:")) return <span className="text-ink-faint">{label}</span>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow" title="Pictures from other hosts are not loaded">
      <Link2 size={14} aria-hidden className="mr-1 inline" />
      {label}
    </a>
  );
}

const COMPONENTS = { a: SafeLink, img: ImageAsLink, "cite-marker": CitationMarker } as Components;

/** No `raw` step: HTML in an answer is never parsed, so it is drawn as the text it is. */
const REHYPE = [defaultRehypePlugins["sanitize"], rehypeCitations].filter((plugin) => plugin !== undefined);

const CONTROLS = {
  table: { copy: true, download: true, fullscreen: false },
  code: { copy: true, download: false },
  mermaid: { download: true, copy: true, fullscreen: true, panZoom: false },
};
const LIGHT_DIAGRAM = { theme: "neutral" };
/** Mermaid's own label background is too light for its text. */
const DARK_DIAGRAM = { theme: "dark", themeVariables: { edgeLabelBackground: "#1d2221" } };
const LINK_SAFETY = { enabled: false };
const REMEND = { linkMode: "text-only", inlineKatex: false } as const;
