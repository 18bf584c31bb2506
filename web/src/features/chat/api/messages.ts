import { api, dataOf, type Message, type MessageCreate, type MessagesCreated } from "@/lib/api";

/** Adds a question; its answer starts on the server at once. */
export async function sendMessage(chatId: string, body: MessageCreate): Promise<MessagesCreated> {
  return dataOf(await api.POST("/api/v1/chats/{chat_id}/messages", { params: { path: { chat_id: chatId } }, body }));
}

/** Starts another answer beside this one (or below a question). */
export async function regenerateMessage(chatId: string, messageId: string, model: string | null): Promise<Message> {
  const answer = await api.POST("/api/v1/chats/{chat_id}/messages/{message_id}/regenerate", {
    params: { path: { chat_id: chatId, message_id: messageId } },
    body: model === null ? {} : { model },
  });
  return dataOf(answer).assistant_message;
}

/** Ends a running answer; what it has is kept. */
export async function stopMessage(chatId: string, messageId: string): Promise<Message> {
  return dataOf(
    await api.POST("/api/v1/chats/{chat_id}/messages/{message_id}/stop", {
      params: { path: { chat_id: chatId, message_id: messageId } },
    }),
  );
}
