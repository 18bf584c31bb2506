/** Recognises what an observation's input or output is, so that it can be shown as a person reads it. */

export type ReadMessage = { role: string; text: string; toolCalls: unknown[]; note: string | null };
export type ReadChunk = { text: string; document: string | null; documentId: string | null; collectionId: string | null; page: number | null; score: number | null };

export type Payload =
  | { kind: "nothing" }
  | { kind: "text"; text: string }
  | { kind: "messages"; messages: ReadMessage[] }
  | { kind: "chunks"; chunks: ReadChunk[] }
  | { kind: "json" };

const LIST_FIELDS = ["sources", "chunks", "results", "documents"] as const;

export function readPayload(value: unknown): Payload {
  if (value === null || value === undefined || value === "") return { kind: "nothing" };
  if (typeof value === "string") return { kind: "text", text: value };
  const messages = messagesOf(value);
  if (messages) return { kind: "messages", messages };
  const chunks = chunksOf(value);
  if (chunks) return { kind: "chunks", chunks };
  return { kind: "json" };
}

function messagesOf(value: unknown): ReadMessage[] | null {
  const list = Array.isArray(value) ? value : isRecord(value) && Array.isArray(value["messages"]) ? value["messages"] : [value];
  const messages = list.map(messageOf);
  return messages.length > 0 && messages.every((message) => message !== null) ? messages : null;
}

function messageOf(value: unknown): ReadMessage | null {
  if (!isRecord(value) || typeof value["role"] !== "string") return null;
  const read = contentOf(value["content"]);
  if (!read) return null;
  const toolCalls = Array.isArray(value["tool_calls"]) ? value["tool_calls"] : [];
  return { role: value["role"], toolCalls, ...read };
}

function contentOf(content: unknown): Pick<ReadMessage, "text" | "note"> | null {
  if (typeof content === "string") return { text: content, note: null };
  if (content === null || content === undefined) return { text: "", note: null };
  if (!Array.isArray(content)) return null;
  const texts: string[] = [];
  const others: string[] = [];
  for (const part of content) {
    if (isRecord(part) && typeof part["text"] === "string") texts.push(part["text"]);
    else if (isRecord(part) && typeof part["type"] === "string") others.push(part["type"].replaceAll("_", " "));
    else return null;
  }
  return { text: texts.join("\n\n"), note: others.length > 0 ? `with ${others.join(", ")}` : null };
}

function chunksOf(value: unknown): ReadChunk[] | null {
  const field = isRecord(value) ? LIST_FIELDS.find((name) => Array.isArray(value[name])) : undefined;
  const list: unknown = field && isRecord(value) ? value[field] : value;
  if (!Array.isArray(list) || list.length === 0) return null;
  const chunks = list.map(chunkOf);
  return chunks.every((chunk) => chunk !== null) ? chunks : null;
}

function chunkOf(value: unknown): ReadChunk | null {
  if (!isRecord(value)) return null;
  const text = firstText(value, ["text", "content", "page_content", "quote"]);
  const score = firstNumber(value, ["score", "relevance_score"]);
  const document = firstText(value, ["document", "name", "title", "source"]);
  if (score === null || (text === null && document === null)) return null;
  return {
    text: text ?? "",
    document,
    documentId: firstText(value, ["document_id"]),
    collectionId: firstText(value, ["collection_id"]),
    page: firstNumber(value, ["page"]),
    score,
  };
}

function firstText(value: Record<string, unknown>, names: readonly string[]): string | null {
  for (const name of names) {
    const found = value[name];
    if (typeof found === "string" && found) return found;
  }
  return null;
}

function firstNumber(value: Record<string, unknown>, names: readonly string[]): number | null {
  for (const name of names) {
    const found = value[name];
    if (typeof found === "number") return found;
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
