import { http, HttpResponse } from "msw";
import type { Collection, Deployment, Document, Group, Guardrail, Key, KnownModel, Limits, LocalModel, LocalModelList, ModelGroup, Observation, Problem, Pull, RunningList, RunningModel, TraceSummary, UsageRow, UsageSums, User } from "@/lib/api";

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
    limits: null,
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

export function someKey(part: Partial<Key> = {}): Key {
  return {
    id: "key-1",
    name: "Laptop",
    prefix: "sk-as-7Fq2",
    created_at: "2026-11-01T10:00:00Z",
    expires_at: null,
    last_used_at: null,
    revoked_at: null,
    rotated_at: null,
    old_secret_until: null,
    scopes: null,
    allowed_ips: [],
    group_id: null,
    limits: null,
    ...part,
  };
}

export function someLimits(part: Partial<Limits> = {}): Limits {
  return {
    models: null,
    requests_per_minute: null,
    tokens_per_minute: null,
    max_parallel: null,
    budget_usd: null,
    budget_tokens: null,
    budget_period: "month",
    guards: [],
    ...part,
  };
}

export function someGroup(part: Partial<Group> = {}): Group {
  return { id: "group-1", name: "Research", members: 2, limits: null, created_at: "2026-11-01T10:00:00Z", ...part };
}

export function someDeployment(part: Partial<Deployment> = {}): Deployment {
  return {
    id: "dep-1",
    name: "lab",
    provider: "openai",
    base_url: "http://lab:8000/v1",
    api_key_hint: "77aF",
    models: [],
    enabled: true,
    source: "admin",
    created_at: "2026-11-01T10:00:00Z",
    options: {
      max_parallel: null,
      max_waiting: 100,
      max_wait_s: 10,
      connect_timeout_s: null,
      first_token_timeout_s: null,
      total_timeout_s: null,
      weight: 1,
      prices: null,
      access_groups: [],
      cache: null,
      guards: [],
      health_check: "off",
      health_model: null,
    },
    health: {
      state: "closed",
      since: null,
      spared_models: [],
      is_reached: null,
      last_error: null,
      last_error_at: null,
      in_flight: 0,
      waiting: 0,
      requests: 0,
      failures: 0,
      first_token_ms: null,
    },
    ...part,
  };
}

export function someModelGroup(part: Partial<ModelGroup> = {}): ModelGroup {
  return {
    id: "mg-1",
    model: "fast",
    description: "",
    members: [{ deployment: "lab", model: "llama", weight: null, order: 0 }],
    strategy: "weighted",
    retries: 2,
    hedge_after_ms: null,
    fallbacks: { on_error: [], on_context_overflow: [], on_content_policy: [] },
    aliases: [],
    access_groups: [],
    cache: null,
    guards: [],
    enabled: true,
    source: "admin",
    created_at: "2026-11-01T10:00:00Z",
    updated_at: "2026-11-01T10:00:00Z",
    ...part,
  };
}

export function someGuardrail(part: Partial<Guardrail> = {}): Guardrail {
  return {
    id: "g-1",
    name: "pii",
    rule: { kind: "redact", finds: ["secret", "email", "phone", "iban", "card", "ip", "national_id"], masks_output: false },
    enabled: true,
    always_on: false,
    source: "admin",
    models: [],
    actions: {},
    created_at: "2026-11-01T10:00:00Z",
    updated_at: "2026-11-01T10:00:00Z",
    ...part,
  };
}

export function someSums(part: Partial<UsageSums> = {}): UsageSums {
  return {
    start: null,
    name: "",
    requests: 0,
    errors: 0,
    input_tokens: 0,
    output_tokens: 0,
    cached_input_tokens: 0,
    reasoning_tokens: 0,
    cost_usd: "0",
    unpriced: 0,
    cached: 0,
    latency_mean_ms: null,
    latency_p50_ms: null,
    latency_p95_ms: null,
    first_token_mean_ms: null,
    ...part,
  };
}

export function someUsageRow(part: Partial<UsageRow> = {}): UsageRow {
  return {
    id: "row-1",
    at: "2026-11-20T10:00:00Z",
    user_id: "user-1",
    key_id: null,
    group_id: null,
    kind: "chat",
    endpoint: "/v1/chat/completions",
    model: "fast",
    deployment: "lab",
    provider: "openai",
    upstream_model: "llama",
    input_tokens: 120,
    output_tokens: 40,
    cached_input_tokens: 0,
    reasoning_tokens: 0,
    is_estimated: false,
    cost_usd: "0.0012",
    latency_ms: 820,
    first_token_ms: 210,
    status: 200,
    error_code: "",
    cache: "",
    is_streaming: false,
    attempts: 1,
    trace_id: "",
    request_id: "req-1",
    ...part,
  };
}

export function someLocalModel(part: Partial<LocalModel> = {}): LocalModel {
  return {
    name: "qwen2.5:0.5b",
    digest: "0".repeat(64),
    size_bytes: 398_000_000,
    modified_at: "2026-11-20T10:00:00Z",
    family: "qwen2",
    parameter_size: "494M",
    quantization: "Q4_K_M",
    context_length: 32_768,
    capabilities: ["completion", "tools"],
    memory_bytes: 560_000_000,
    fits: true,
    is_read_only: false,
    state: "unloaded",
    reason: "",
    queued: 0,
    active: 0,
    ...part,
  };
}

export function localModels(items: LocalModel[]): LocalModelList {
  return {
    items,
    machine: {
      memory_budget_bytes: 4_000_000_000,
      disk_free_bytes: 50_000_000_000,
      disk_total_bytes: 100_000_000_000,
      models_bytes: items.reduce((sum, item) => sum + item.size_bytes, 0),
    },
  };
}

export function someRunningModel(part: Partial<RunningModel> = {}): RunningModel {
  return {
    model: "qwen2.5:0.5b",
    state: "loaded",
    reason: "",
    size_bytes: 600_000_000,
    vram_bytes: 0,
    num_ctx: 4096,
    slots: 4,
    active: 1,
    queued: 0,
    expires_at: null,
    keep_alive_s: 300,
    is_pinned: false,
    tokens_per_s: 31.4,
    stderr: [],
    ...part,
  };
}

export function runningList(items: RunningModel[]): RunningList {
  const taken = items.reduce((sum, item) => sum + (item.state === "unloaded" ? 0 : item.size_bytes), 0);
  return { items, memory: { budget_bytes: 4_000_000_000, taken_bytes: taken } };
}

export function somePull(part: Partial<Pull> = {}): Pull {
  return {
    id: "pull-1",
    model: "qwen2.5:0.5b",
    state: "running",
    status: "pulling c5396e06af29",
    error: null,
    started_at: "2026-11-20T10:00:00Z",
    total_bytes: 400_000_000,
    completed_bytes: 100_000_000,
    bytes_per_s: 10_000_000,
    steps: [],
    ...part,
  };
}

export function someKnownModel(part: Partial<KnownModel> = {}): KnownModel {
  return {
    name: "llama3.2:1b",
    group: "ultra-fast",
    purpose: "chat",
    about: "Small, calls tools",
    parameters: "1.2B",
    quantization: "Q8_0",
    size_bytes: 1_300_000_000,
    memory_bytes: 1_600_000_000,
    is_installed: false,
    fits: true,
    ...part,
  };
}
