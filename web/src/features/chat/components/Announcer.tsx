import { useEffect, useRef } from "react";
import type { Message } from "@/lib/api";

const LONGEST = 1500;

/** Tells a screen reader that an answer is being written, and reads it once it is there, not word by word. */
export function Announcer({ last }: { last: Message | undefined }) {
  const region = useRef<HTMLDivElement>(null);
  const followed = useRef<string | null>(null);
  const id = last?.role === "assistant" ? last.id : null;
  const status = last?.role === "assistant" ? last.status : null;
  const content = status === "streaming" ? "" : (last?.content ?? "");
  useEffect(() => {
    if (region.current === null || id === null || status === null) return;
    if (status === "streaming") {
      followed.current = id;
      region.current.textContent = "Alcove is answering.";
    } else if (followed.current === id) {
      followed.current = null;
      const outcome = status === "complete" ? "Answer:" : `The answer was ${status}.`;
      region.current.textContent = `${outcome} ${plainText(content)}`;
    }
  }, [id, status, content]);
  return <div ref={region} aria-live="polite" aria-atomic="true" className="visually-hidden" />;
}

/** Markdown as it is spoken: no marks, no code. */
export function plainText(markdown: string): string {
  const text = markdown
    .replaceAll(/```[\s\S]*?(```|$)/g, " Code. ")
    .replaceAll(/\s*\[\d{1,3}\]/g, "")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/[*_`#>|~]+/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
