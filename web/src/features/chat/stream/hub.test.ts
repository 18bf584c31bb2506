import { http, HttpResponse } from "msw";
import { describe, expect, it, vi } from "vitest";
import type { Message } from "@/lib/api";
import { messageOf } from "@/testing/fixtures";
import { server } from "@/testing/server";
import { AnswerHub } from "./hub";

const EVENTS = "http://localhost:3000/api/v1/chats/:chat/messages/:message/events";

function sse(...events: [number, string, unknown][]): Response {
  const text = events.map(([id, name, data]) => `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("");
  return new HttpResponse(text, { headers: { "content-type": "text/event-stream" } });
}

describe("AnswerHub", () => {
  it("follows an answer to its end and hands over the stored message", async () => {
    const stored = messageOf({ id: "m1", content: "Hello" });
    server.use(http.get(EVENTS, () => sse([1, "delta", { content: "Hel" }], [2, "delta", { content: "lo" }], [3, "done", { message: stored }])));
    const onFinal = vi.fn<(message: Message) => void>();
    const hub = new AnswerHub(onFinal, vi.fn());
    const listener = vi.fn();
    hub.subscribe("m1", listener);
    hub.follow("c1", "m1");
    await vi.waitFor(() => expect(onFinal).toHaveBeenCalledWith(stored));
    await vi.waitFor(() => expect(listener).toHaveBeenCalled());
    expect(hub.get("m1").final).toEqual(stored);
  });

  it("opens one connection however often it is asked to follow", async () => {
    let opened = 0;
    server.use(
      http.get(EVENTS, () => {
        opened += 1;
        return sse([1, "done", { message: messageOf({ id: "m1" }) }]);
      }),
    );
    const onFinal = vi.fn();
    const hub = new AnswerHub(onFinal, vi.fn());
    for (let time = 0; time < 3; time += 1) hub.follow("c1", "m1");
    await vi.waitFor(() => expect(onFinal).toHaveBeenCalled());
    hub.follow("c1", "m1");
    expect(opened).toBe(1);
  });

  it("hands the end over again to whoever still takes the answer for a running one", async () => {
    const stored = messageOf({ id: "m1", content: "Hello" });
    server.use(http.get(EVENTS, () => sse([1, "done", { message: stored }])));
    const onFinal = vi.fn<(message: Message) => void>();
    const hub = new AnswerHub(onFinal, vi.fn());
    hub.follow("c1", "m1");
    await vi.waitFor(() => expect(onFinal).toHaveBeenCalledOnce());
    hub.follow("c1", "m1");
    expect(onFinal).toHaveBeenCalledTimes(2);
    expect(onFinal).toHaveBeenLastCalledWith(stored);
  });

  it("keeps at most three connections, and resumes the one it gave up", async () => {
    const asked: string[] = [];
    server.use(
      http.get(EVENTS, ({ params, request }) => {
        asked.push(`${String(params["message"])} after ${request.headers.get("last-event-id") ?? "0"}`);
        const first = new TextEncoder().encode('id: 5\nevent: delta\ndata: {"content":"x"}\n\n');
        return new HttpResponse(new ReadableStream({ start: (controller) => controller.enqueue(first) }));
      }),
    );
    const hub = new AnswerHub(vi.fn(), vi.fn());
    for (const id of ["m1", "m2", "m3"]) hub.follow("c1", id);
    await vi.waitFor(() => expect(["m1", "m2", "m3"].map((id) => hub.get(id).lastEventId)).toEqual([5, 5, 5]));
    hub.follow("c1", "m4");
    hub.follow("c1", "m1");
    await vi.waitFor(() => expect(asked).toEqual(["m1 after 0", "m2 after 0", "m3 after 0", "m4 after 0", "m1 after 5"]));
    hub.close();
  });

  it("tells when the server refuses", async () => {
    server.use(http.get(EVENTS, () => HttpResponse.json({ code: "not_found" }, { status: 404 })));
    const onStale = vi.fn();
    new AnswerHub(vi.fn(), onStale).follow("c1", "m1");
    await vi.waitFor(() => expect(onStale).toHaveBeenCalledWith("c1"));
  });

  it("settles an answer that was stopped", () => {
    const onFinal = vi.fn();
    const hub = new AnswerHub(onFinal, vi.fn());
    const stopped = messageOf({ id: "m1", status: "stopped", content: "Thir" });
    hub.settle(stopped);
    hub.settle(stopped);
    expect(onFinal).toHaveBeenCalledOnce();
    expect(hub.get("m1").final).toEqual(stopped);
  });
});
