import { useComputedColorScheme } from "@mantine/core";
import { Link2 } from "lucide-react";
import { createContext, memo, type ReactNode, use, useMemo } from "react";
import { type Components, defaultRehypePlugins, Streamdown } from "streamdown";
import { safeHref } from "./links";
import { normaliseMath } from "./normaliseMath";
import { usePlugins } from "./plugins";
import { rehypeCitations } from "./rehypeCitations";
import "./markdown.css";

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
  const mermaid = useMemo(() => ({ config: { theme: scheme === "dark" ? "dark" : "neutral" } }), [scheme]);
  const prepared = useMemo(() => normaliseMath(text), [text]);
  return (
    <CitationContext value={renderCitation ?? null}>
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
    </CitationContext>
  );
});

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
const LINK_SAFETY = { enabled: false };
const REMEND = { linkMode: "text-only", inlineKatex: false } as const;
