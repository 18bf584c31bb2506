import { http, HttpResponse } from "msw";
import { describe, expect, it } from "vitest";
import { server } from "@/testing/server";
import { followEvents, type ServerEvent } from "./eventStream";
import { ApiProblem } from "./problem";

const URL_PATH = "http://localhost:3000/api/v1/chats/c/messages/m/events";
const noSleep = () => Promise.resolve();

function stream(text: string, size = 7): Response {
  const bytes = new TextEncoder().encode(text);
  return new HttpResponse(
    new ReadableStream<Uint8Array>({
      start(controller) {
        // Cut without regard to lines or characters, as a network does.
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    }),
    { headers: { "content-type": "text/event-stream" } },
  );
}

const event = (id: number, name: string, data: string) => `id: ${id}\nevent: ${name}\ndata: ${data}\n\n`;

async function follow(extra: Partial<Parameters<typeof followEvents>[0]> = {}) {
  const events: ServerEvent[] = [];
  const connections: string[] = [];
  const waits: number[] = [];
  await followEvents({
    url: URL_PATH,
    signal: new AbortController().signal,
    random: () => 0.5,
    sleep: (ms) => {
      waits.push(ms);
      return noSleep();
    },
    onConnection: (state) => connections.push(state),
    onEvent: (each) => {
      events.push(each);
      return each.name === "done" ? "end" : "continue";
    },
    ...extra,
  });
  return { events, connections, waits };
}

describe("followEvents", () => {
  it("reads events cut anywhere, across multi-byte characters and comments", async () => {
    server.use(
      http.get(URL_PATH, () => stream(`: keep-alive\n\n${event(1, "delta", '{"content":"naïve 日本"}')}${event(2, "done", "{}")}`, 3)),
    );
    const { events, connections } = await follow();
    expect(events).toEqual([
      { id: 1, name: "delta", data: '{"content":"naïve 日本"}' },
      { id: 2, name: "done", data: "{}" },
    ]);
    expect(connections).toEqual(["open"]);
  });

  it("resumes a broken stream after the last event it saw", async () => {
    const asked: (string | null)[] = [];
    server.use(
      http.get(URL_PATH, ({ request }) => {
        asked.push(request.headers.get("last-event-id"));
        return asked.length === 1 ? stream(event(1, "delta", "{}") + event(2, "delta", "{}")) : stream(event(3, "done", "{}"));
      }),
    );
    const { events, connections } = await follow();
    expect(asked).toEqual([null, "2"]);
    expect(events.map((each) => each.id)).toEqual([1, 2, 3]);
    expect(connections).toEqual(["open", "lost", "open"]);
  });

  it("begins after the event it is told of", async () => {
    let asked: string | null = null;
    server.use(
      http.get(URL_PATH, ({ request }) => {
        asked = request.headers.get("last-event-id");
        return stream(event(8, "done", "{}"));
      }),
    );
    await follow({ lastEventId: 7 });
    expect(asked).toBe("7");
  });

  it("waits longer after each failure, and as long as the server asks", async () => {
    let calls = 0;
    server.use(
      http.get(URL_PATH, () => {
        calls += 1;
        if (calls === 1) return HttpResponse.error();
        if (calls === 2) return new HttpResponse(null, { status: 502 });
        if (calls === 3) return new HttpResponse(null, { status: 429, headers: { "retry-after": "20" } });
        return stream(event(1, "done", "{}"));
      }),
    );
    const { waits } = await follow();
    expect(waits).toEqual([400, 800, 20_000]);
  });

  it("gives up on a refusal, with the server's reason", async () => {
    server.use(
      http.get(URL_PATH, () =>
        HttpResponse.json({ title: "Not found", detail: "There is no such message.", code: "not_found" }, { status: 404 }),
      ),
    );
    await expect(follow()).rejects.toMatchObject({ name: "ApiProblem", status: 404, code: "not_found" });
    await expect(follow()).rejects.toBeInstanceOf(ApiProblem);
  });

  it("ends quietly when it is aborted", async () => {
    const controller = new AbortController();
    server.use(http.get(URL_PATH, () => stream(event(1, "delta", "{}"))));
    const { events } = await follow({
      signal: controller.signal,
      sleep: () => {
        controller.abort();
        return noSleep();
      },
    });
    expect(events).toHaveLength(1);
  });

  it("takes silence for a lost connection", async () => {
    let calls = 0;
    server.use(
      http.get(URL_PATH, () => {
        calls += 1;
        if (calls > 1) return stream(event(1, "done", "{}"));
        return new HttpResponse(new ReadableStream({ start: () => undefined }));
      }),
    );
    const { connections } = await follow({ silenceMs: 30 });
    expect(connections).toEqual(["open", "lost", "open"]);
  });
});
