import createClient, { type Middleware } from "openapi-fetch";
import { ApiProblem, problemOf, unreachable } from "./problem";
import type { paths } from "./schema";
import { getCsrfToken, notifySignedOut } from "./session";
import type { Sent } from "./types";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
export const CSRF_HEADER = "x-csrf-token";

/** Adds the CSRF header, and turns every refusal into a thrown `ApiProblem`. */
const transport: Middleware = {
  onRequest({ request }) {
    const token = getCsrfToken();
    if (!SAFE.has(request.method) && token !== null) request.headers.set(CSRF_HEADER, token);
    return request;
  },
  async onResponse({ response }) {
    if (response.ok) return undefined;
    const problem = await problemOf(response);
    if (problem.status === 401 && problem.code !== "invalid_credentials") notifySignedOut();
    throw problem;
  },
  onError({ error }) {
    if (error instanceof ApiProblem || (error instanceof DOMException && error.name === "AbortError")) return undefined;
    return unreachable(error);
  },
};

/** The typed client of `/api/v1`. Each call throws `ApiProblem` on refusal; pass the answer through `dataOf`. */
export const api = createClient<paths>({
  baseUrl: typeof window === "undefined" ? "" : window.location.origin,
  credentials: "same-origin",
  // Looked up at call time, so that a test server which replaces fetch is seen.
  fetch: (request: Request) => globalThis.fetch(request),
});
api.use(transport);

/** The body of a successful answer. */
export function dataOf<Data>(answer: { data?: Data | undefined; response: Response }): Sent<Data> {
  if (answer.data === undefined) {
    throw new ApiProblem({ status: answer.response.status, code: "empty_answer", detail: "Alcove sent an empty answer." });
  }
  return answer.data as Sent<Data>;
}
