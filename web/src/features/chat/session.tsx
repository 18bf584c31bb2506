import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useEffect, useState, useSyncExternalStore } from "react";
import type { ChatDetail, Message } from "@/lib/api";
import { notifyError } from "@/ui";
import { chatQuery, deleteChat, getChat } from "./api/chats";
import { Deletions } from "./deletions";
import { AnswerHub } from "./stream/hub";
import type { Answer } from "./stream/reducer";
import { type Attachment, UploadStore } from "./uploads";

/** What goes on whichever chat is on the screen: running answers, uploads, deletions that can be taken back. */
export type ChatSession = { hub: AnswerHub; uploads: UploadStore; deletions: Deletions };

const SessionContext = createContext<ChatSession | null>(null);

export function ChatSessionProvider({ children }: { children: ReactNode }) {
  const queryClient = useQueryClient();
  const [session] = useState(() => createSession(queryClient));
  useEffect(() => {
    const flush = () => session.deletions.flush();
    window.addEventListener("pagehide", flush);
    return () => {
      window.removeEventListener("pagehide", flush);
      session.hub.close();
    };
  }, [session]);
  return <SessionContext value={session}>{children}</SessionContext>;
}

export function useChatSession(): ChatSession {
  const session = use(SessionContext);
  if (session === null) throw new Error("useChatSession needs a ChatSessionProvider");
  return session;
}

/** An answer as it is being written. */
export function useAnswer(messageId: string): Answer {
  const { hub } = useChatSession();
  return useSyncExternalStore(
    (listener) => hub.subscribe(messageId, listener),
    () => hub.get(messageId),
  );
}

export function useAttachments(chatId: string): readonly Attachment[] {
  const { uploads } = useChatSession();
  return useSyncExternalStore(
    (listener) => uploads.subscribe(listener),
    () => uploads.list(chatId),
  );
}

export function usePendingDeletions(): ReadonlySet<string> {
  const { deletions } = useChatSession();
  return useSyncExternalStore(
    (listener) => deletions.subscribe(listener),
    () => deletions.ids(),
  );
}

/**
 * Puts messages into the kept copy of their chat: replaced where known, else added. A load of the chat that is under way
 * began before these messages were known and would undo them, so it is given up and begun anew.
 */
export function mergeMessages(queryClient: QueryClient, chatId: string, messages: readonly Message[], isCurrent: boolean): void {
  const { queryKey } = chatQuery(chatId);
  const state = queryClient.getQueryState(queryKey);
  const isOvertaken = state?.fetchStatus === "fetching" && state.data !== undefined;
  if (isOvertaken) void queryClient.cancelQueries({ queryKey });
  queryClient.setQueryData(queryKey, (detail: ChatDetail | undefined) => {
    if (!detail) return detail;
    const incoming = new Map(messages.map((message) => [message.id, message]));
    const kept = detail.messages.map((message) => {
      const next = incoming.get(message.id);
      incoming.delete(message.id);
      return next ?? message;
    });
    const current = isCurrent ? (messages.at(-1)?.id ?? null) : detail.chat.current_message_id;
    return { chat: { ...detail.chat, current_message_id: current }, messages: [...kept, ...incoming.values()] };
  });
  if (isOvertaken) void queryClient.invalidateQueries({ queryKey });
}

/** Asks for the title alone: the messages kept here may be newer than those of the answer. */
export async function refreshTitle(queryClient: QueryClient, chatId: string): Promise<void> {
  const fresh = await getChat(chatId).catch(() => null);
  if (fresh === null) return;
  queryClient.setQueryData(chatQuery(chatId).queryKey, (detail: ChatDetail | undefined) =>
    detail ? { ...detail, chat: { ...detail.chat, title: fresh.chat.title } } : detail,
  );
}

function createSession(queryClient: QueryClient): ChatSession {
  const hub = new AnswerHub(
    (message) => {
      mergeMessages(queryClient, message.chat_id, [message], false);
      void queryClient.invalidateQueries({ queryKey: ["chats", "list"] });
      void queryClient.invalidateQueries({ queryKey: ["traces"] });
    },
    (chatId) => void queryClient.invalidateQueries({ queryKey: chatQuery(chatId).queryKey }),
  );
  const deletions = new Deletions(async (chatId, isLeaving) => {
    try {
      await deleteChat(chatId, isLeaving);
    } catch (error) {
      notifyError("The chat was not deleted", error);
      throw error;
    }
    queryClient.removeQueries({ queryKey: chatQuery(chatId).queryKey });
    await queryClient.invalidateQueries({ queryKey: ["chats", "list"] });
  });
  return { hub, uploads: new UploadStore(), deletions };
}
