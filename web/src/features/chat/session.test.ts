import { http, HttpResponse } from "msw";
import { describe, expect, it, vi } from "vitest";
import { type Chat, type ChatDetail, createQueryClient } from "@/lib/api";
import { messageOf } from "@/testing/fixtures";
import { server } from "@/testing/server";
import { chatQuery } from "./api/chats";
import { mergeMessages } from "./session";

const CHAT_RECORD: Chat = {
  id: "c1",
  title: "Leave",
  model: null,
  collections: [],
  current_message_id: "m1",
  pinned: false,
  snippet: null,
  created_at: "2026-11-20T10:00:00Z",
  updated_at: "2026-11-20T10:00:00Z",
};
const CHAT = "http://localhost:3000/api/v1/chats/c1";

describe("mergeMessages", () => {
  it("is not undone by a load of the chat that began before", async () => {
    const before = { chat: CHAT_RECORD, messages: [messageOf({ id: "m1", status: "streaming" })] };
    const ended = messageOf({ id: "m1", status: "complete", content: "Hello" });
    let stored: ChatDetail = before;
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    server.use(
      http.get(CHAT, async () => {
        const seen = stored;
        asked += 1;
        if (asked === 1) await held;
        return HttpResponse.json(seen);
      }),
    );
    const queryClient = createQueryClient();
    const { queryKey } = chatQuery("c1");
    queryClient.setQueryData(queryKey, before);
    const loading = queryClient.fetchQuery({ ...chatQuery("c1"), staleTime: 0 }).catch(() => undefined);
    await vi.waitFor(() => expect(asked).toBe(1));
    stored = { ...before, messages: [ended] };
    mergeMessages(queryClient, "c1", [ended], false);
    release();
    await loading;
    expect(queryClient.getQueryData(queryKey)?.messages).toEqual([ended]);
  });

  it("puts nothing where the chat is not known yet", () => {
    const queryClient = createQueryClient();
    mergeMessages(queryClient, "c1", [messageOf({ id: "m1" })], true);
    expect(queryClient.getQueryData(chatQuery("c1").queryKey)).toBeUndefined();
  });
});
