import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { server } from "@/testing/server";
import { api, dataOf } from "./client";
import { messageOf } from "./problem";
import { setCsrfToken, setSignedOutHandler } from "./session";

const CHATS = "http://localhost:3000/api/v1/chats";

describe("the client", () => {
  beforeEach(() => setCsrfToken("token-1"));

  it("sends the CSRF header with unsafe verbs only", async () => {
    const seen: (string | null)[] = [];
    server.use(
      http.get(CHATS, ({ request }) => {
        seen.push(request.headers.get("x-csrf-token"));
        return HttpResponse.json({ items: [], next_cursor: null });
      }),
      http.post(CHATS, ({ request }) => {
        seen.push(request.headers.get("x-csrf-token"));
        return HttpResponse.json({}, { status: 201 });
      }),
    );
    await api.GET("/api/v1/chats");
    await api.POST("/api/v1/chats", { body: {} });
    expect(seen).toEqual([null, "token-1"]);
  });

  it("throws the server's problem, fields included", async () => {
    server.use(
      http.post(CHATS, () =>
        HttpResponse.json(
          {
            title: "Invalid request",
            detail: "title is too long",
            code: "invalid_request",
            trace_id: "t9",
            errors: [{ field: "title", message: "at most 200 characters" }],
          },
          { status: 422, headers: { "content-type": "application/problem+json" } },
        ),
      ),
    );
    await expect(api.POST("/api/v1/chats", { body: {} })).rejects.toMatchObject({
      status: 422,
      code: "invalid_request",
      message: "title is too long",
      traceId: "t9",
      fields: { title: "at most 200 characters" },
    });
  });

  it("says in words that the server does not answer", async () => {
    server.use(http.get(CHATS, () => HttpResponse.error()));
    const error: unknown = await api.GET("/api/v1/chats").catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "unreachable", status: 0 });
    expect(messageOf(error)).toMatch(/does not answer/);
  });

  it("survives a body that is not JSON, and names the wait", async () => {
    server.use(http.get(CHATS, () => new HttpResponse("<h1>busy</h1>", { status: 503, headers: { "retry-after": "7" } })));
    const error: unknown = await api.GET("/api/v1/chats").catch((caught: unknown) => caught);
    expect(messageOf(error)).toBe("Alcove could not answer. Try again in 7 s.");
  });

  it("reports an ended session, but not a refused sign-in", async () => {
    const signedOut = vi.fn();
    setSignedOutHandler(signedOut);
    server.use(
      http.get(CHATS, () => HttpResponse.json({ code: "not_authenticated" }, { status: 401 })),
      http.post("http://localhost:3000/api/v1/auth/login", () =>
        HttpResponse.json({ code: "invalid_credentials" }, { status: 401 }),
      ),
    );
    await api.POST("/api/v1/auth/login", { body: { email: "a", password: "b" } }).catch(() => undefined);
    expect(signedOut).not.toHaveBeenCalled();
    await api.GET("/api/v1/chats").catch(() => undefined);
    expect(signedOut).toHaveBeenCalledOnce();
  });

  it("refuses an empty answer where one was promised", () => {
    expect(() => dataOf({ response: new Response(null, { status: 200 }) })).toThrow(/empty answer/);
  });
});
