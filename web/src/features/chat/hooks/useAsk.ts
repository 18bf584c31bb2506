import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";
import type { Message, MessagesCreated } from "@/lib/api";
import { notifyError } from "@/ui";
import { chatQuery } from "../api/chats";
import { regenerateMessage, sendMessage, stopMessage } from "../api/messages";
import { mergeMessages, refreshTitle, useChatSession } from "../session";

export type Question = { content: string; parentId: string | null; documentIds: string[]; model: string | null };

/** Starts, repeats and stops answers of one chat, and follows those that run. */
export function useAsk(chatId: string) {
  const queryClient = useQueryClient();
  const { hub } = useChatSession();
  const [pending, setPending] = useState<Question | null>(null);
  const isBusy = useRef(false);

  const begin = useCallback(
    (messages: Message[]) => {
      mergeMessages(queryClient, chatId, messages, true);
      const answer = messages.at(-1);
      if (answer) hub.follow(chatId, answer.id);
      void queryClient.invalidateQueries({ queryKey: ["chats", "list"] });
    },
    [queryClient, hub, chatId],
  );

  /** Runs one of the calls below; false when it failed (the person has been told). */
  const guard = useCallback(
    async (failure: string, work: () => Promise<void>): Promise<boolean> => {
      if (isBusy.current) return false;
      isBusy.current = true;
      try {
        await work();
        return true;
      } catch (error) {
        notifyError(failure, error);
        void queryClient.invalidateQueries({ queryKey: chatQuery(chatId).queryKey });
        return false;
      } finally {
        isBusy.current = false;
      }
    },
    [queryClient, chatId],
  );

  const ask = useCallback(
    async (question: Question): Promise<boolean> => {
      setPending(question);
      const isSent = await guard("The message was not sent", async () => {
        const created: MessagesCreated = await sendMessage(chatId, {
          parent_id: question.parentId,
          content: question.content,
          ...(question.model === null ? {} : { model: question.model }),
          document_ids: question.documentIds,
        });
        begin([created.user_message, created.assistant_message]);
        // The first question names the chat, also when it is asked again in other words.
        if (question.parentId === null) void refreshTitle(queryClient, chatId);
      });
      setPending(null);
      return isSent;
    },
    [queryClient, guard, begin, chatId],
  );

  const regenerate = useCallback(
    (message: Message, model: string | null) =>
      guard("The answer was not started", async () => begin([await regenerateMessage(chatId, message.id, model)])),
    [guard, begin, chatId],
  );

  const stop = useCallback(
    async (messageId: string) => {
      try {
        hub.settle(await stopMessage(chatId, messageId));
      } catch (error) {
        notifyError("The answer was not stopped", error);
      }
    },
    [hub, chatId],
  );

  return { ask, regenerate, stop, pending };
}
