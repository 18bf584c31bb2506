import type { Message, ModelCard, Source, User } from "@/lib/api";

/** Whole wire records for tests; name only what the test is about. */
export function messageOf(part: Partial<Message>): Message {
  return {
    id: "m1",
    chat_id: "c1",
    parent_id: null,
    role: "assistant",
    content: "",
    reasoning: "",
    model: "qwen2.5:0.5b",
    status: "complete",
    error: null,
    sources: [],
    citations: [],
    usage: null,
    trace_id: null,
    documents: [],
    created_at: "2026-11-20T10:00:00Z",
    finished_at: "2026-11-20T10:00:02Z",
    ...part,
  };
}

export function sourceOf(part: Partial<Source>): Source {
  return {
    number: 1,
    text: "Every employee has 30 days of paid leave.",
    document_id: "d1",
    document: "handbook.pdf",
    collection_id: "k1",
    collection: "Handbook",
    chunk_index: 0,
    score: 0.9,
    page: 4,
    start: null,
    end: null,
    ...part,
  };
}

export function modelOf(part: Partial<ModelCard>): ModelCard {
  return {
    id: "alcove/reader",
    name: "alcove/reader",
    kind: "chat",
    provider: "alcove",
    description: "Answers by quoting.",
    is_default: true,
    is_generative: false,
    capabilities: [],
    ...part,
  };
}

export function problemOf(part: Partial<NonNullable<Message["error"]>>): NonNullable<Message["error"]> {
  return {
    type: "about:blank",
    title: "Upstream failed",
    status: 502,
    detail: "It refused the connection.",
    instance: null,
    code: "upstream_failed",
    trace_id: null,
    errors: null,
    ...part,
  };
}

export const ADA: User = {
  id: "u1",
  email: "ada@example.org",
  name: "Ada Lovelace",
  role: "admin",
  disabled: false,
  created_at: "2026-11-20T10:00:00Z",
  last_seen_at: null,
  limits: null,
};
