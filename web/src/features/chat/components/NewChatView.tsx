import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { type CollectionRef, collectionsQuery } from "@/lib/api";
import { notifyError } from "@/ui";
import { chatQuery, createChat } from "../api/chats";
import { sendMessage } from "../api/messages";
import { useDraft } from "../hooks/useDraft";
import { useFileDrop } from "../hooks/useFileDrop";
import { useChatSession } from "../session";
import { ChatHeader } from "./ChatHeader";
import { Composer, type ComposerHandle } from "./Composer";
import { DropOverlay } from "./DropOverlay";
import { HiddenFileInput } from "./HiddenFileInput";
import { Welcome } from "./Welcome";

const NEW = "new";

/** A chat that does not exist yet: it is made with the first message, or with the first file. */
export function NewChatView({ collectionId }: { collectionId: string | undefined }) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const { hub, uploads } = useChatSession();
  const { draft, setDraft, clearDraft } = useDraft(NEW);
  const [model, setModel] = useState<string | null>(null);
  const [picked, setPicked] = useState<CollectionRef[] | null>(null);
  const [isSending, setSending] = useState(false);
  const { data: known = [] } = useQuery({ ...collectionsQuery, enabled: collectionId !== undefined });
  const composer = useRef<ComposerHandle>(null);
  const fileInput = useRef<HTMLInputElement>(null);

  const asked = known.filter((each) => each.id === collectionId).map((each): CollectionRef => ({ id: each.id, name: each.name, kind: "collection" }));
  const collections = picked ?? asked;

  async function begin(work: (chatId: string) => Promise<void>): Promise<void> {
    if (isSending) return;
    setSending(true);
    try {
      const chat = await createChat({ ...(model === null ? {} : { model }), collection_ids: collections.map((each) => each.id) });
      queryClient.setQueryData(chatQuery(chat.id).queryKey, { chat, messages: [] });
      await work(chat.id);
      void queryClient.invalidateQueries({ queryKey: ["chats", "list"] });
      await navigate({ to: "/c/$chatId", params: { chatId: chat.id } });
    } catch (error) {
      notifyError("The chat was not started", error);
    } finally {
      setSending(false);
    }
  }

  const send = () =>
    begin(async (chatId) => {
      const created = await sendMessage(chatId, { parent_id: null, content: draft.trim() });
      queryClient.removeQueries({ queryKey: chatQuery(chatId).queryKey });
      hub.follow(chatId, created.assistant_message.id);
      await queryClient.ensureQueryData(chatQuery(chatId));
      clearDraft();
    });
  const onFiles = (files: File[]) =>
    begin((chatId) => {
      uploads.add(chatId, files);
      window.sessionStorage.setItem(`alcove.draft.${chatId}`, draft);
      clearDraft();
      return Promise.resolve();
    });
  const drop = useFileDrop((files) => void onFiles(files));

  return (
    <div className="relative flex min-h-0 flex-1 flex-col" {...drop.handlers}>
      <ChatHeader chat={null} />
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto">
        <div className="mx-auto flex w-full max-w-[47rem] flex-[1_0_auto] flex-col px-4 sm:px-6">
          <Welcome
            model={model}
            onPick={(text) => {
              setDraft(text);
              composer.current?.focus();
            }}
            onBrowse={() => fileInput.current?.click()}
          />
        </div>
      </div>
      <div className="mx-auto w-full max-w-[47rem] px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-6">
        <Composer
          ref={composer}
          draft={draft}
          onDraftChange={setDraft}
          attachments={[]}
          onFiles={(files) => void onFiles(files)}
          onRemoveAttachment={() => undefined}
          onRetryAttachment={() => undefined}
          collections={collections}
          onCollectionsChange={setPicked}
          model={model}
          onModelChange={setModel}
          onSend={() => void send()}
          onStop={null}
          isSending={isSending}
          onCancelSending={() => undefined}
        />
      </div>
      <HiddenFileInput inputRef={fileInput} onFiles={(files) => void onFiles(files)} />
      {drop.isOver ? <DropOverlay /> : null}
    </div>
  );
}
