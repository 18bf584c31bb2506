import { useHotkeys } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import type { ChatDetail, Message } from "@/lib/api";
import { notifyError } from "@/ui";
import { chatQuery } from "../api/chats";
import { useAsk } from "../hooks/useAsk";
import { useChatActions } from "../hooks/useChatActions";
import { useDraft } from "../hooks/useDraft";
import { useFileDrop } from "../hooks/useFileDrop";
import { useAttachments, useChatSession } from "../session";
import { buildTree, visiblePath } from "../tree";
import { ChatHeader } from "./ChatHeader";
import { Composer, type ComposerHandle } from "./Composer";
import { DropOverlay } from "./DropOverlay";
import { HiddenFileInput } from "./HiddenFileInput";
import { SourcePanel } from "./SourcePanel";
import { Thread } from "./Thread";
import { Welcome } from "./Welcome";

/** One chat: thread, composer, and the panel with the source that was opened last. */
export function ChatView({ detail }: { detail: ChatDetail }) {
  const { chat, messages } = detail;
  const queryClient = useQueryClient();
  const { uploads } = useChatSession();
  const actions = useChatActions();
  const asking = useAsk(chat.id);
  const attachments = useAttachments(chat.id);
  const { draft, setDraft } = useDraft(chat.id);
  const [shown, setShown] = useState<{ messageId: string; number: number } | null>(null);
  const [waiting, setWaiting] = useState<AbortController | null>(null);
  const composer = useRef<ComposerHandle>(null);
  const fileInput = useRef<HTMLInputElement>(null);
  const opener = useRef<Element | null>(null);

  const tree = useMemo(() => buildTree(messages), [messages]);
  const path = useMemo(() => visiblePath(tree, chat.current_message_id), [tree, chat.current_message_id]);
  const last = path.at(-1);
  const runningId = last?.status === "streaming" ? last.id : null;
  const shownMessage = shown === null ? undefined : tree.byId.get(shown.messageId);
  const collections = useMemo(() => chat.collections.filter((each) => each.kind === "collection"), [chat.collections]);

  const onFiles = useCallback(
    (files: File[]) => {
      uploads.add(chat.id, files);
      composer.current?.focus();
    },
    [uploads, chat.id],
  );
  const drop = useFileDrop(onFiles);

  const send = async () => {
    const content = draft.trim();
    const controller = new AbortController();
    setWaiting(controller);
    const settled = await uploads.whenSettled(chat.id, controller.signal);
    if (controller.signal.aborted) return;
    if (settled.some((each) => each.status === "failed")) {
      setWaiting(null);
      notifyError("The message was not sent", new Error("A file could not be read. Remove it, or try it again."));
      return;
    }
    setDraft("");
    const documentIds = settled.map((each) => each.documentId).filter((id) => id !== null);
    const isSent = await asking.ask({ content, parentId: last?.id ?? null, documentIds, model: null });
    setWaiting(null);
    if (isSent) {
      uploads.clear(chat.id);
      // The first file gave the chat its own collection: let the page know it.
      if (documentIds.length > 0) void queryClient.invalidateQueries({ queryKey: chatQuery(chat.id).queryKey });
    } else {
      setDraft(content);
    }
    composer.current?.focus();
  };
  const cancelSending = () => {
    waiting?.abort();
    setWaiting(null);
  };

  const openSource = useCallback((message: Message, number: number) => {
    opener.current = document.activeElement;
    setShown({ messageId: message.id, number });
  }, []);
  const closeSource = useCallback(() => {
    setShown(null);
    if (opener.current instanceof HTMLElement) opener.current.focus();
  }, []);
  const onStop = runningId === null ? null : () => void asking.stop(runningId);
  useHotkeys([["Escape", () => onStop?.()]], ["INPUT", "SELECT"]);

  return (
    <div className="relative flex min-h-0 flex-1" {...drop.handlers}>
      <div className="flex min-w-0 flex-1 flex-col">
        <ChatHeader chat={chat} />
        <Thread
          detail={detail}
          tree={tree}
          path={path}
          asking={asking}
          shown={shown}
          onOpenSource={openSource}
          empty={
            <Welcome
              model={chat.model}
              onPick={(text) => {
                setDraft(text);
                composer.current?.focus();
              }}
              onBrowse={() => fileInput.current?.click()}
            />
          }
          composer={
            <Composer
              ref={composer}
              draft={draft}
              onDraftChange={setDraft}
              attachments={attachments}
              onFiles={onFiles}
              onRemoveAttachment={(id) => uploads.remove(chat.id, id)}
              onRetryAttachment={(id) => uploads.retry(chat.id, id)}
              collections={collections}
              onCollectionsChange={(chosen) => void actions.setCollections(chat, chosen.map((each) => each.id))}
              model={chat.model}
              onModelChange={(model) => void actions.setModel(chat.id, model)}
              onSend={() => void send()}
              onStop={onStop}
              isSending={waiting !== null}
              onCancelSending={cancelSending}
            />
          }
        />
        <HiddenFileInput inputRef={fileInput} onFiles={onFiles} />
      </div>
      {shown !== null && shownMessage ? (
        <SourcePanel
          message={shownMessage}
          number={shown.number}
          onSelect={(number) => setShown({ messageId: shown.messageId, number })}
          onClose={closeSource}
        />
      ) : null}
      {drop.isOver ? <DropOverlay /> : null}
    </div>
  );
}
