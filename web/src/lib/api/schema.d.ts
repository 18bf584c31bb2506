/**
 * The wire types of `/api/v1`, in the layout that openapi-typescript writes.
 * Interim: `npm run types` replaces this file from docs/reference/openapi.json.
 */
export interface components {
  schemas: {
    User: {
      id: string;
      email: string;
      name: string;
      role: "admin" | "user";
      disabled: boolean;
      created_at: string;
      last_seen_at: string | null;
    };
    AuthState: { setup_required: boolean; user: components["schemas"]["User"] | null; csrf_token: string | null; version: string };
    SignedIn: { user: components["schemas"]["User"]; csrf_token: string };
    SetupRequest: { token: string; email: string; name: string; password: string };
    LoginRequest: { email: string; password: string };
    PasswordChange: { current_password: string; new_password: string };
    UserCreate: { email: string; name: string; password: string; role: "admin" | "user" };
    UserUpdate: { name?: string; role?: "admin" | "user"; disabled?: boolean; password?: string };
    ProfileUpdate: { name?: string };
    Key: {
      id: string;
      name: string;
      prefix: string;
      created_at: string;
      expires_at: string | null;
      last_used_at: string | null;
      revoked_at: string | null;
    };
    KeyCreate: { name: string; expires_at?: string | null };
    KeyCreated: { key: components["schemas"]["Key"]; secret: string };
    AuditEntry: {
      id: string;
      at: string;
      actor: string;
      ip: string;
      action: string;
      object: string;
      outcome: string;
      request_id: string;
    };
    ModelCard: {
      id: string;
      name: string;
      kind: "chat" | "embedding";
      provider: string;
      description: string;
      is_default: boolean;
      is_generative: boolean;
      capabilities: string[];
    };
    ModelList: { items: components["schemas"]["ModelCard"][]; notice: string | null };
    Deployment: {
      id: string;
      name: string;
      provider: "openai" | "ollama";
      base_url: string;
      api_key_hint: string | null;
      models: string[];
      enabled: boolean;
      source: "settings" | "admin" | "discovered";
      created_at: string;
    };
    DeploymentCreate: {
      name: string;
      provider: "openai" | "ollama";
      base_url: string;
      api_key?: string | null;
      models?: string[];
      enabled?: boolean;
    };
    DeploymentUpdate: {
      name?: string;
      provider?: "openai" | "ollama";
      base_url?: string;
      api_key?: string | null;
      models?: string[];
      enabled?: boolean;
    };
    DeploymentTest: { ok: boolean; detail: string; models: string[]; latency_ms: number };
    Collection: {
      id: string;
      name: string;
      description: string;
      kind: "collection" | "chat";
      document_count: number;
      chunk_count: number;
      embedding_model: string;
      created_at: string;
      updated_at: string;
    };
    CollectionCreate: { name: string; description?: string };
    CollectionUpdate: { name?: string; description?: string };
    DocumentError: { code: string; detail: string };
    Document: {
      id: string;
      collection_id: string;
      name: string;
      media_type: string;
      size_bytes: number;
      status: "queued" | "processing" | "ready" | "failed";
      stage: "waiting" | "parsing" | "chunking" | "embedding" | "indexing" | "done";
      progress: number;
      error: components["schemas"]["DocumentError"] | null;
      page_count: number | null;
      chunk_count: number;
      character_count: number;
      sha256: string;
      warnings: string[];
      created_at: string;
      updated_at: string;
    };
    DocumentPage: { page: number; start: number; end: number };
    DocumentText: { name: string; text: string; pages: components["schemas"]["DocumentPage"][] };
    SearchRequest: { query: string; top_k?: number; strategy?: "hybrid" | "dense" | "sparse" };
    SearchResult: { sources: components["schemas"]["Source"][]; latency_ms: Record<string, number> };
    Source: {
      number: number;
      text: string;
      document_id: string;
      document: string;
      collection_id: string;
      collection: string;
      chunk_index: number;
      score: number;
      page: number | null;
      start: number | null;
      end: number | null;
    };
    Citation: { number: number; quote: string; start: number | null; end: number | null };
    Usage: { input_tokens: number; output_tokens: number };
    CollectionRef: { id: string; name: string; kind: "collection" | "chat" };
    DocumentRef: { id: string; name: string };
    Chat: {
      id: string;
      title: string;
      model: string | null;
      collections: components["schemas"]["CollectionRef"][];
      current_message_id: string | null;
      pinned: boolean;
      created_at: string;
      updated_at: string;
    };
    ChatSummary: components["schemas"]["Chat"] & { snippet?: string | null };
    Message: {
      id: string;
      chat_id: string;
      parent_id: string | null;
      role: "user" | "assistant";
      content: string;
      reasoning: string;
      model: string | null;
      status: "complete" | "streaming" | "stopped" | "failed" | "interrupted";
      error: components["schemas"]["Problem"] | null;
      sources: components["schemas"]["Source"][];
      citations: components["schemas"]["Citation"][];
      usage: components["schemas"]["Usage"] | null;
      trace_id: string | null;
      documents: components["schemas"]["DocumentRef"][];
      created_at: string;
      finished_at: string | null;
    };
    ChatDetail: { chat: components["schemas"]["Chat"]; messages: components["schemas"]["Message"][] };
    ChatCreate: { title?: string; model?: string | null; collection_ids?: string[] };
    ChatUpdate: {
      title?: string;
      model?: string | null;
      collection_ids?: string[];
      current_message_id?: string;
      pinned?: boolean;
    };
    MessageCreate: { parent_id: string | null; content: string; model?: string | null; document_ids?: string[] };
    MessageRegenerate: { model?: string | null };
    MessagesCreated: {
      user_message: components["schemas"]["Message"];
      assistant_message: components["schemas"]["Message"];
    };
    MessageRegenerated: { assistant_message: components["schemas"]["Message"] };
    TraceSummary: {
      id: string;
      name: string;
      user_id: string;
      session_id: string | null;
      model: string | null;
      level: "default" | "warning" | "error";
      started_at: string;
      latency_ms: number;
      time_to_first_token_ms: number | null;
      input_tokens: number;
      output_tokens: number;
      cost_usd: string | null;
      input_preview: string;
      output_preview: string;
      observation_count: number;
    };
    Trace: components["schemas"]["TraceSummary"] & {
      input: unknown;
      output: unknown;
      metadata: Record<string, unknown>;
      tags: string[];
    };
    Observation: {
      id: string;
      parent_id: string | null;
      kind: "span" | "generation" | "retriever" | "embedding" | "tool" | "filter" | "event";
      name: string;
      started_at: string;
      ended_at: string | null;
      latency_ms: number;
      time_to_first_token_ms: number | null;
      model: string | null;
      input: unknown;
      output: unknown;
      usage: Record<string, number>;
      cost_usd: string | null;
      level: "default" | "warning" | "error";
      status_message: string | null;
      metadata: Record<string, unknown>;
    };
    TraceDetail: { trace: components["schemas"]["Trace"]; observations: components["schemas"]["Observation"][] };
    StatusPart: { name: string; healthy: boolean; detail: string };
    Status: { version: string; uptime_s: number; parts: components["schemas"]["StatusPart"][] };
    Problem: {
      type: string;
      title: string;
      status: number;
      detail: string;
      instance?: string | null;
      code: string;
      trace_id?: string | null;
      errors?: { field: string; message: string }[];
    };
  };
}

type Schemas = components["schemas"];
type List<Item> = { items: Item[]; next_cursor: string | null };
type Paging = { cursor?: string; limit?: number };
type Answer<Status extends number, Body> = {
  [K in Status]: { headers: Record<string, unknown>; content: { "application/json": Body } };
} & { default: { headers: Record<string, unknown>; content: { "application/problem+json": Schemas["Problem"] } } };
type Empty = {
  204: { headers: Record<string, unknown>; content?: never };
  default: { headers: Record<string, unknown>; content: { "application/problem+json": Schemas["Problem"] } };
};
type Parameters<Path, Query = never> = ([Path] extends [never] ? { path?: never } : { path: Path }) &
  ([Query] extends [never] ? { query?: never } : { query?: Query }) & { header?: never; cookie?: never };
type Operation<Responses, Path = never, Query = never> = { parameters: Parameters<Path, Query>; requestBody?: never; responses: Responses };
type Write<Body, Responses, Path = never> = {
  parameters: Parameters<Path>;
  requestBody: { content: { "application/json": Body } };
  responses: Responses;
};

export interface paths {
  "/api/v1/auth/state": { get: Operation<Answer<200, Schemas["AuthState"]>> };
  "/api/v1/auth/setup": { post: Write<Schemas["SetupRequest"], Answer<201, Schemas["SignedIn"]>> };
  "/api/v1/auth/login": { post: Write<Schemas["LoginRequest"], Answer<200, Schemas["SignedIn"]>> };
  "/api/v1/auth/logout": { post: Operation<Empty> };
  "/api/v1/auth/password": { post: Write<Schemas["PasswordChange"], Empty> };
  "/api/v1/users/me": {
    get: Operation<Answer<200, Schemas["User"]>>;
    patch: Write<Schemas["ProfileUpdate"], Answer<200, Schemas["User"]>>;
  };
  "/api/v1/users": {
    get: Operation<Answer<200, List<Schemas["User"]>>, never, Paging>;
    post: Write<Schemas["UserCreate"], Answer<201, Schemas["User"]>>;
  };
  "/api/v1/users/{user_id}": {
    patch: Write<Schemas["UserUpdate"], Answer<200, Schemas["User"]>, { user_id: string }>;
    delete: Operation<Empty, { user_id: string }>;
  };
  "/api/v1/keys": {
    get: Operation<Answer<200, List<Schemas["Key"]>>, never, Paging>;
    post: Write<Schemas["KeyCreate"], Answer<201, Schemas["KeyCreated"]>>;
  };
  "/api/v1/keys/{key_id}": { delete: Operation<Empty, { key_id: string }> };
  "/api/v1/audit": { get: Operation<Answer<200, List<Schemas["AuditEntry"]>>, never, Paging> };
  "/api/v1/models": { get: Operation<Answer<200, Schemas["ModelList"]>> };
  "/api/v1/deployments": {
    get: Operation<Answer<200, List<Schemas["Deployment"]>>, never, Paging>;
    post: Write<Schemas["DeploymentCreate"], Answer<201, Schemas["Deployment"]>>;
  };
  "/api/v1/deployments/{deployment_id}": {
    patch: Write<Schemas["DeploymentUpdate"], Answer<200, Schemas["Deployment"]>, { deployment_id: string }>;
    delete: Operation<Empty, { deployment_id: string }>;
  };
  "/api/v1/deployments/{deployment_id}/test": {
    post: Operation<Answer<200, Schemas["DeploymentTest"]>, { deployment_id: string }>;
  };
  "/api/v1/knowledge/collections": {
    get: Operation<Answer<200, List<Schemas["Collection"]>>, never, Paging & { name?: string; kind?: "collection" | "chat" }>;
    post: Write<Schemas["CollectionCreate"], Answer<201, Schemas["Collection"]>>;
  };
  "/api/v1/knowledge/collections/{collection_id}": {
    get: Operation<Answer<200, Schemas["Collection"]>, { collection_id: string }>;
    patch: Write<Schemas["CollectionUpdate"], Answer<200, Schemas["Collection"]>, { collection_id: string }>;
    delete: Operation<Empty, { collection_id: string }>;
  };
  "/api/v1/knowledge/collections/{collection_id}/documents": {
    get: Operation<Answer<200, List<Schemas["Document"]>>, { collection_id: string }, Paging>;
  };
  "/api/v1/knowledge/collections/{collection_id}/search": {
    post: Write<Schemas["SearchRequest"], Answer<200, Schemas["SearchResult"]>, { collection_id: string }>;
  };
  "/api/v1/knowledge/documents/{document_id}": {
    get: Operation<Answer<200, Schemas["Document"]>, { document_id: string }>;
    delete: Operation<Empty, { document_id: string }>;
  };
  "/api/v1/knowledge/documents/{document_id}/retry": {
    post: Operation<Answer<202, Schemas["Document"]>, { document_id: string }>;
  };
  "/api/v1/knowledge/documents/{document_id}/text": {
    get: Operation<Answer<200, Schemas["DocumentText"]>, { document_id: string }>;
  };
  "/api/v1/chats": {
    get: Operation<Answer<200, List<Schemas["ChatSummary"]>>, never, Paging & { query?: string }>;
    post: Write<Schemas["ChatCreate"], Answer<201, Schemas["Chat"]>>;
  };
  "/api/v1/chats/{chat_id}": {
    get: Operation<Answer<200, Schemas["ChatDetail"]>, { chat_id: string }>;
    patch: Write<Schemas["ChatUpdate"], Answer<200, Schemas["Chat"]>, { chat_id: string }>;
    delete: Operation<Empty, { chat_id: string }>;
  };
  "/api/v1/chats/{chat_id}/messages": {
    post: Write<Schemas["MessageCreate"], Answer<201, Schemas["MessagesCreated"]>, { chat_id: string }>;
  };
  "/api/v1/chats/{chat_id}/messages/{message_id}/regenerate": {
    post: Write<Schemas["MessageRegenerate"], Answer<201, Schemas["MessageRegenerated"]>, { chat_id: string; message_id: string }>;
  };
  "/api/v1/chats/{chat_id}/messages/{message_id}/stop": {
    post: Operation<Answer<200, Schemas["Message"]>, { chat_id: string; message_id: string }>;
  };
  "/api/v1/traces": {
    get: Operation<
      Answer<200, List<Schemas["TraceSummary"]>>,
      never,
      Paging & { session_id?: string; model?: string; level?: "default" | "warning" | "error"; query?: string; all?: boolean }
    >;
  };
  "/api/v1/traces/{trace_id}": { get: Operation<Answer<200, Schemas["TraceDetail"]>, { trace_id: string }> };
  "/api/v1/status": { get: Operation<Answer<200, Schemas["Status"]>> };
}
