import { http, HttpResponse } from "msw";
import type { Collection, Document, Observation, Problem, TraceSummary, User } from "@/lib/api";

/** A refusal as the server words it. */
export function refusal(status: number, code: string, detail: string, errors: NonNullable<Problem["errors"]> = []) {
  return HttpResponse.json(
    { type: "about:blank", title: "Refused", status, code, detail, errors },
    { status, headers: { "content-type": "application/problem+json" } },
  );
}

export function page<Item>(items: Item[], next_cursor: string | null = null) {
  return HttpResponse.json({ items, next_cursor });
}

export function someUser(part: Partial<User> = {}): User {
  return {
    id: "user-1",
    email: "ada@example.org",
    name: "Ada Lovelace",
    role: "admin",
    disabled: false,
    created_at: "2026-01-01T10:00:00Z",
    last_seen_at: "2026-11-20T10:00:00Z",
    ...part,
  };
}

/** The session of a signed-in person. */
export function signedInAs(user: User) {
  return http.get("*/api/v1/auth/state", () =>
    HttpResponse.json({ setup_required: false, user, csrf_token: "token", version: "1.2.3" }),
  );
}

export function someCollection(part: Partial<Collection> = {}): Collection {
  return {
    id: "col-1",
    name: "Handbook",
    description: "Leave and notice",
    kind: "collection",
    document_count: 2,
    chunk_count: 40,
    embedding_model: "all-MiniLM-L6-v2",
    created_at: "2026-01-01T10:00:00Z",
    updated_at: "2026-11-20T10:00:00Z",
    ...part,
  };
}

export function someDocument(part: Partial<Document> = {}): Document {
  return {
    id: "doc-1",
    collection_id: "col-1",
    name: "handbook.pdf",
    media_type: "application/pdf",
    size_bytes: 1_200_000,
    status: "ready",
    stage: "done",
    progress: 1,
    error: null,
    page_count: 12,
    chunk_count: 40,
    character_count: 30_000,
    sha256: "0".repeat(64),
    warnings: [],
    created_at: "2026-11-20T10:00:00Z",
    updated_at: "2026-11-20T10:00:00Z",
    ...part,
  };
}

export function someTrace(part: Partial<TraceSummary> = {}): TraceSummary {
  return {
    id: "trace-1",
    name: "chat",
    user_id: "user-1",
    session_id: "chat-1",
    model: "qwen2.5:0.5b",
    level: "default",
    started_at: "2026-11-20T10:00:00Z",
    latency_ms: 2400,
    time_to_first_token_ms: 320,
    input_tokens: 1200,
    output_tokens: 90,
    cost_usd: null,
    input_preview: "How long is the notice period?",
    output_preview: "One month.",
    observation_count: 3,
    ...part,
  };
}

export function someObservation(part: Partial<Observation> = {}): Observation {
  return {
    id: "obs-1",
    parent_id: null,
    kind: "span",
    name: "turn",
    started_at: "2026-11-20T10:00:00Z",
    ended_at: "2026-11-20T10:00:02Z",
    latency_ms: 2000,
    time_to_first_token_ms: null,
    model: null,
    input: null,
    output: null,
    usage: {},
    cost_usd: null,
    level: "default",
    status_message: null,
    metadata: {},
    ...part,
  };
}
