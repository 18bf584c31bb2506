import type { Problem } from "./types";

/** What every failed call throws: the server's RFC 9457 problem, or one made up for a failure below HTTP. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly traceId: string | null;
  readonly retryAfterS: number | null;
  readonly fields: Readonly<Record<string, string>>;

  constructor(problem: Partial<Problem> & { status: number }, retryAfterS: number | null = null) {
    const title = problem.title || titleOf(problem.status);
    super(problem.detail || title);
    this.code = problem.code || "unknown";
    this.status = problem.status;
    this.title = title;
    this.detail = problem.detail || "";
    this.traceId = problem.trace_id ?? null;
    this.retryAfterS = retryAfterS;
    this.fields = Object.fromEntries((problem.errors ?? []).map((entry) => [entry.field, entry.message]));
  }
}

function titleOf(status: number): string {
  if (status === 0) return "Alcove cannot be reached";
  if (status === 401) return "You are signed out";
  if (status === 403) return "You may not do this";
  if (status === 404) return "Not found";
  if (status === 409) return "This conflicts with the current state";
  if (status === 413) return "This file is too large";
  if (status === 429) return "Too many requests";
  if (status >= 500) return "Alcove could not answer";
  return "The request was refused";
}

const FINAL_CODES: ReadonlySet<string> = new Set([
  "damaged_document",
  "document_too_large",
  "empty_file",
  "encrypted_document",
  "no_text_layer",
  "too_large",
  "unsupported_media",
]);

/** False when the file itself is what is wrong: sending or reading it again changes nothing. */
export function canRetryFile(code: string | undefined): boolean {
  return code === undefined || !FINAL_CODES.has(code);
}

/** The problem for a request that got no answer at all. */
export function unreachable(cause: unknown): ApiProblem {
  const problem = new ApiProblem({
    status: 0,
    code: "unreachable",
    detail: "Alcove does not answer. Check that it is running, then try again.",
  });
  problem.cause = cause;
  return problem;
}

/** Reads a failed response into an `ApiProblem`, whatever its body looks like. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const retryAfter = Number(response.headers.get("retry-after"));
  const retryAfterS = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null;
  const text = await response.text().catch(() => "");
  return problemFromText(response.status, text, retryAfterS);
}

/** Same as `problemOf` for callers that hold the body as text (XMLHttpRequest). */
export function problemFromText(status: number, text: string, retryAfterS: number | null = null): ApiProblem {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null) {
      return new ApiProblem({ ...(body as Partial<Problem>), status }, retryAfterS);
    }
  } catch {
    // Not JSON: an answer of a proxy on the way. Its status is all that can be trusted.
  }
  return new ApiProblem({ status }, retryAfterS);
}

/** One sentence for a person, from anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiProblem) {
    const wait = error.retryAfterS === null ? "" : ` Try again in ${error.retryAfterS} s.`;
    const stop = wait === "" || /[.!?]$/.test(error.message) ? "" : ".";
    return `${error.message}${stop}${wait}`;
  }
  if (error instanceof Error && error.message) return error.message;
  return "Something went wrong.";
}
