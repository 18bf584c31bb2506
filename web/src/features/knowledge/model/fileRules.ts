import { formatBytes } from "@/lib/format";

export const MAX_FILE_BYTES = 50 * 1024 * 1024;
const ENDINGS = ["pdf", "docx", "html", "htm", "md", "markdown", "txt"] as const;

/** For the file dialog of the browser. */
export const ACCEPT = ENDINGS.map((ending) => `.${ending}`).join(",");

/** Why a file cannot be sent, in one sentence, or null when it can. */
export function refusalOf(file: { name: string; size: number }): string | null {
  const ending = endingOf(file.name);
  if (!(ENDINGS as readonly string[]).includes(ending)) {
    const kind = ending ? `.${ending} files` : "Files without an ending";
    const advice = ending === "doc" ? " Save it as DOCX first." : "";
    return `${kind} cannot be read. Use PDF, DOCX, HTML, Markdown or plain text.${advice}`;
  }
  if (file.size === 0) return "This file is empty.";
  if (file.size > MAX_FILE_BYTES) return `This file is ${formatBytes(file.size)}; the limit is 50 MB. Split it and try again.`;
  return null;
}

/** The letters after the last dot, in lower case; "" when there are none. */
export function endingOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}
