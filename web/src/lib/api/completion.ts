import { createParser } from "eventsource-parser";
import { CSRF_HEADER } from "./client";
import { ApiProblem, unreachable } from "./problem";
import { getCsrfToken, notifySignedOut } from "./session";

export type CompletionQuestion = { model: string; prompt: string; maxTokens: number };

/** A piece of an answer: text, thinking, or, at the end, how many tokens it had. */
export type CompletionPiece = { text: string; reasoning: string; tokens: number | null };

type OpenAiError = { message?: unknown; code?: unknown; type?: unknown };

/** Asks a model by the API that other programs use, and hands over its answer piece by piece. Throws `ApiProblem`. */
export async function streamCompletion(
  question: CompletionQuestion,
  signal: AbortSignal,
  onPiece: (piece: CompletionPiece) => void,
): Promise<void> {
  const response = await ask(question, signal);
  const failures: ApiProblem[] = [];
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === "[DONE]") return;
      const chunk = objectOf(data);
      if (chunk === null) return;
      if (isRecord(chunk["error"])) failures.push(problemOfError(response.status, chunk["error"]));
      else onPiece(pieceOf(chunk));
    },
  });
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parser.feed(decoder.decode(value, { stream: true }));
    const [failure] = failures;
    if (failure) {
      void reader.cancel().catch(() => undefined);
      throw failure;
    }
  }
}

async function ask({ model, prompt, maxTokens }: CompletionQuestion, signal: AbortSignal): Promise<Response> {
  const token = getCsrfToken();
  let response: Response;
  try {
    response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", ...(token === null ? {} : { [CSRF_HEADER]: token }) },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: prompt }],
        max_tokens: maxTokens,
        stream: true,
        stream_options: { include_usage: true },
      }),
      credentials: "same-origin",
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable(error);
  }
  if (response.ok) return response;
  if (response.status === 401) notifySignedOut();
  const body = objectOf(await response.text().catch(() => ""));
  const retryAfter = Number(response.headers.get("retry-after"));
  const error = body !== null && isRecord(body["error"]) ? body["error"] : (body ?? {});
  throw problemOfError(response.status, error, Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null);
}

function pieceOf(chunk: Record<string, unknown>): CompletionPiece {
  const choices = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
  const choice: unknown = choices[0];
  const delta = isRecord(choice) && isRecord(choice["delta"]) ? choice["delta"] : {};
  const usage = isRecord(chunk["usage"]) ? chunk["usage"]["completion_tokens"] : null;
  return {
    text: textOf(delta["content"]),
    reasoning: textOf(delta["reasoning_content"]) || textOf(delta["reasoning"]),
    tokens: typeof usage === "number" ? usage : null,
  };
}

function problemOfError(status: number, error: OpenAiError & Record<string, unknown>, retryAfterS: number | null = null): ApiProblem {
  const detail = textOf(error.message) || textOf(error["detail"]);
  const code = textOf(error.code) || textOf(error.type);
  return new ApiProblem({ status, ...(code ? { code } : {}), ...(detail ? { detail } : {}) }, retryAfterS);
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
