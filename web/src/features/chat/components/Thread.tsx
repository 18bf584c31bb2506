import { useQueryClient } from "@tanstack/react-query";
import { ArrowDown } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useMemo } from "react";
import type { ChatDetail, Message } from "@/lib/api";
import { chatQuery, updateChat } from "../api/chats";
import type { useAsk } from "../hooks/useAsk";
import { useStickToBottom } from "../hooks/useStickToBottom";
import { useChatSession } from "../session";
import { branchPosition, type Tree } from "../tree";
import { Announcer } from "./Announcer";
import { AssistantMessage } from "./AssistantMessage";
import { UserMessage } from "./UserMessage";

/** The latest messages have their true height at once; those far above the end are drawn when they come into view. */
const ALWAYS_DRAWN = 4;

type ThreadProps = {
  detail: ChatDetail;
  tree: Tree;
  path: readonly Message[];
  asking: ReturnType<typeof useAsk>;
  shown: { messageId: string; number: number } | null;
  onOpenSource: (message: Message, number: number) => void;
  composer: ReactNode;
  empty: ReactNode;
};

/** The path of the chat on display, with the composer under it. */
export function Thread({ detail, tree, path, asking, shown, onOpenSource, composer, empty }: ThreadProps) {
  const queryClient = useQueryClient();
  const { hub } = useChatSession();
  const { scroller, content, isAtEnd, jump } = useStickToBottom();
  const chatId = detail.chat.id;
  const { ask, regenerate, pending } = asking;

  const running = useMemo(() => detail.messages.filter((message) => message.status === "streaming").map((each) => each.id), [detail]);
  useEffect(() => {
    for (const messageId of running) hub.follow(chatId, messageId);
  }, [hub, chatId, running]);
  useEffect(() => {
    if (pending !== null) jump();
  }, [pending, jump]);
  // A new answer under the path: the stored question has just taken the place of the one on its way.
  const runningId = path.at(-1)?.status === "streaming" ? path.at(-1)?.id : undefined;
  useEffect(() => {
    if (runningId !== undefined) jump();
  }, [runningId, jump]);

  const onSwitch = useCallback(
    (message: Message) => {
      const key = chatQuery(chatId).queryKey;
      queryClient.setQueryData(key, (known: ChatDetail | undefined) =>
        known ? { ...known, chat: { ...known.chat, current_message_id: message.id } } : known,
      );
      // Which branch is on display is only remembered; the page does not wait for it.
      updateChat(chatId, { current_message_id: message.id }).catch(() => queryClient.invalidateQueries({ queryKey: key }));
    },
    [queryClient, chatId],
  );
  const onRegenerate = useCallback((message: Message) => void regenerate(message, null), [regenerate]);
  const onEdit = useCallback(
    (message: Message, text: string) =>
      void ask({
        content: text,
        parentId: message.parent_id,
        documentIds: message.documents.map((document) => document.id),
        model: null,
      }),
    [ask],
  );

  const isRunning = runningId !== undefined;
  const editedAt = pending === null ? -1 : path.findIndex((message) => message.parent_id === pending.parentId);
  const visible = editedAt === -1 ? path : path.slice(0, editedAt);
  const isEmpty = path.length === 0 && pending === null;
  return (
    <>
      <Announcer last={path.at(-1)} />
      <div className="relative min-h-0 flex-1">
        <div ref={scroller} className="h-full overflow-y-auto overscroll-contain" data-testid="thread">
          <div ref={content} className={`mx-auto flex w-full max-w-[47rem] flex-col px-4 sm:px-6 ${isEmpty ? "min-h-full" : "pt-4 pb-8"}`}>
            {isEmpty ? empty : null}
            <div className="flex flex-col gap-3">
              {visible.map((message, index) => (
                <div
                  key={message.id}
                  className={index >= visible.length - ALWAYS_DRAWN ? "" : "[contain-intrinsic-size:auto_180px] [content-visibility:auto]"}
                >
                  {message.role === "user" ? (
                    <UserMessage
                      message={message}
                      position={branchPosition(tree, message)}
                      canEdit={!isRunning}
                      onEdit={onEdit}
                      onSwitch={onSwitch}
                    />
                  ) : (
                    <AssistantMessage
                      message={message}
                      position={branchPosition(tree, message)}
                      shownSource={shown?.messageId === message.id ? shown.number : null}
                      canRegenerate={!isRunning}
                      onOpenSource={onOpenSource}
                      onRegenerate={onRegenerate}
                      onSwitch={onSwitch}
                    />
                  )}
                </div>
              ))}
              {pending === null ? null : (
                <div className="ml-auto max-w-[88%] rounded-2xl rounded-br-md bg-hover px-4 py-2.5 leading-relaxed break-words whitespace-pre-wrap opacity-70 dark:bg-raised">
                  {pending.content}
                </div>
              )}
            </div>
          </div>
        </div>
        {isAtEnd || isEmpty ? null : (
          <button
            type="button"
            onClick={jump}
            aria-label="Jump to the latest message"
            className="absolute bottom-3 left-1/2 grid size-9 -translate-x-1/2 place-items-center rounded-full border border-line bg-raised text-ink-soft shadow-soft hover:text-ink"
          >
            <ArrowDown size={17} aria-hidden />
          </button>
        )}
      </div>
      <div className="mx-auto w-full max-w-[47rem] px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6">{composer}</div>
    </>
  );
}
