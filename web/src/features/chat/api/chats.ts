import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Chat, type ChatDetail, type ChatUpdate, dataOf } from "@/lib/api";

/** Chats of the person, pinned ones first, then the latest; with `query`, those whose title or messages hold it. */
export const chatListQuery = (query: string) =>
  infiniteQueryOptions({
    queryKey: ["chats", "list", query],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => {
      const params = { limit: 50, ...(query ? { query } : {}), ...(pageParam === null ? {} : { cursor: pageParam }) };
      return dataOf(await api.GET("/api/v1/chats", { params: { query: params }, signal }));
    },
    getNextPageParam: (last) => last.next_cursor,
  });

/** One chat with the whole tree of its messages. */
export const chatQuery = (chatId: string) =>
  queryOptions({
    queryKey: ["chats", "detail", chatId],
    queryFn: ({ signal }) => getChat(chatId, signal),
  });

export async function getChat(chatId: string, signal?: AbortSignal): Promise<ChatDetail> {
  return dataOf(await api.GET("/api/v1/chats/{chat_id}", { params: { path: { chat_id: chatId } }, ...(signal ? { signal } : {}) }));
}

export async function createChat(body: { title?: string; model?: string | null; collection_ids?: string[] }): Promise<Chat> {
  return dataOf(await api.POST("/api/v1/chats", { body }));
}

export async function updateChat(chatId: string, body: ChatUpdate): Promise<Chat> {
  return dataOf(await api.PATCH("/api/v1/chats/{chat_id}", { params: { path: { chat_id: chatId } }, body }));
}

/** Deletes a chat for good. `keepalive` lets the request outlive the page. */
export async function deleteChat(chatId: string, keepalive = false): Promise<void> {
  await api.DELETE("/api/v1/chats/{chat_id}", { params: { path: { chat_id: chatId } }, keepalive });
}

export function chatExportUrl(chatId: string, format: "json" | "markdown"): string {
  return `/api/v1/chats/${encodeURIComponent(chatId)}/export?format=${format}`;
}
