import type { Citation, Message, Problem, ServerEvent, Source } from "@/lib/api";

/** What the server tells of an answer while it is being written. */
export type AnswerEvent =
  | { type: "status"; stage: "reading" | "retrieving" | "generating"; detail: string }
  | { type: "sources"; sources: Source[] }
  | { type: "delta"; content: string; reasoning: string }
  | { type: "citations"; citations: Citation[] }
  | { type: "done"; message: Message }
  | { type: "error"; error: Problem; message: Message };

/** Reads an event of the wire; null for one this page does not know or cannot read, which is then skipped. */
export function parseAnswerEvent(event: ServerEvent): AnswerEvent | null {
  const data = parseObject(event.data);
  if (data === null) return null;
  switch (event.name) {
    case "status":
      return {
        type: "status",
        stage: data["stage"] === "retrieving" || data["stage"] === "reading" ? data["stage"] : "generating",
        detail: textOf(data["detail"]),
      };
    case "sources":
      return Array.isArray(data["sources"]) ? { type: "sources", sources: data["sources"] as Source[] } : null;
    case "delta":
      return { type: "delta", content: textOf(data["content"]), reasoning: textOf(data["reasoning"]) };
    case "citations":
      return Array.isArray(data["citations"]) ? { type: "citations", citations: data["citations"] as Citation[] } : null;
    case "done":
      return isObject(data["message"]) ? { type: "done", message: data["message"] as Message } : null;
    case "error":
      return isObject(data["message"])
        ? { type: "error", error: data["error"] as Problem, message: data["message"] as Message }
        : null;
    default:
      return null;
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
