import { createParser } from "eventsource-parser";
import { ApiProblem, problemOf, unreachable } from "./problem";
import { notifySignedOut } from "./session";

/** One server-sent event, data still as text. */
export type ServerEvent = { id: number | null; name: string; data: string };

export type FollowOptions = {
  url: string;
  signal: AbortSignal;
  /** The last event already known; the server sends what came after. */
  lastEventId?: number | null;
  /** Handles an event; returning "end" closes the stream for good. */
  onEvent: (event: ServerEvent) => "continue" | "end";
  /** Told when the connection is open, and when it is lost and tried again. */
  onConnection?: (state: "open" | "lost") => void;
  /** Silence after which the connection counts as dead; the server sends a comment every 15 s. */
  silenceMs?: number;
  /** Replaced in tests. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  random?: () => number;
};

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5_000;

/**
 * Follows a stream of events until `onEvent` says "end" or the signal aborts. A lost connection is opened again, after
 * a growing and jittered wait, from the last event seen. Throws `ApiProblem` when the server refuses for good.
 */
export async function followEvents(options: FollowOptions): Promise<void> {
  const { signal, sleep = wait, random = Math.random } = options;
  let lastEventId = options.lastEventId ?? null;
  let failures = 0;
  while (!signal.aborted) {
    let retryAfterMs = 0;
    try {
      const outcome = await readOnce(options, lastEventId, (event) => {
        if (event.id !== null) lastEventId = event.id;
        failures = 0;
        return options.onEvent(event);
      });
      if (outcome === "end") return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiProblem) {
        if (!isPassing(error.status)) throw error;
        retryAfterMs = (error.retryAfterS ?? 0) * 1000;
      }
    }
    options.onConnection?.("lost");
    const backoff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
    failures += 1;
    await sleep(Math.max(retryAfterMs, backoff * (0.75 + random() * 0.5)), signal);
  }
}

function isPassing(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

async function readOnce(
  options: FollowOptions,
  lastEventId: number | null,
  onEvent: (event: ServerEvent) => "continue" | "end",
): Promise<"end" | "closed"> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  options.signal.addEventListener("abort", abort, { once: true });
  const silenceMs = options.silenceMs ?? 45_000;
  let watchdog = setTimeout(abort, silenceMs);
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(abort, silenceMs);
  };
  try {
    const response = await request(options.url, lastEventId, attempt.signal);
    alive();
    options.onConnection?.("open");
    let ended = false;
    const parser = createParser({
      onEvent: (event) => {
        if (ended) return;
        const id = event.id === undefined || event.id === "" ? Number.NaN : Number(event.id);
        const parsed = { id: Number.isInteger(id) ? id : null, name: event.event ?? "message", data: event.data };
        ended = onEvent(parsed) === "end";
      },
    });
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    // Ends a read that waits for bytes which never come.
    attempt.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined), { once: true });
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "closed";
      alive();
      parser.feed(decoder.decode(value, { stream: true }));
      if (!ended) continue;
      void reader.cancel().catch(() => undefined);
      return "end";
    }
  } finally {
    clearTimeout(watchdog);
    options.signal.removeEventListener("abort", abort);
  }
}

async function request(url: string, lastEventId: number | null, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastEventId !== null) headers["last-event-id"] = String(lastEventId);
  let response: Response;
  try {
    response = await fetch(url, { headers, signal, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    throw unreachable(error);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) notifySignedOut();
  throw problem;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    // Back online: no reason to wait any longer.
    window.addEventListener("online", done, { once: true });
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
