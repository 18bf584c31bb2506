import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import type { Chat, ChatDetail, ChatUpdate } from "@/lib/api";
import { notifyError } from "@/ui";
import { chatQuery, updateChat } from "../api/chats";
import { useChatSession } from "../session";
import { askForDeletion, tellDeleted } from "../components/deletionDialogs";

/** What can be done to a chat from its menu, its header or its row. */
export function useChatActions() {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const { deletions } = useChatSession();
  const { chatId: shownId } = useParams({ strict: false });

  async function change(chatId: string, body: ChatUpdate, failure: string): Promise<void> {
    try {
      const chat = await updateChat(chatId, body);
      queryClient.setQueryData(chatQuery(chatId).queryKey, (detail: ChatDetail | undefined) =>
        detail ? { ...detail, chat } : detail,
      );
    } catch (error) {
      notifyError(failure, error);
      await queryClient.invalidateQueries({ queryKey: chatQuery(chatId).queryKey });
    }
    await queryClient.invalidateQueries({ queryKey: ["chats", "list"] });
  }

  return {
    rename: (chatId: string, title: string) => change(chatId, { title }, "The chat was not renamed"),
    setPinned: (chatId: string, pinned: boolean) => change(chatId, { pinned }, "The chat was not pinned"),
    setModel: (chatId: string, model: string | null) => change(chatId, { model }, "The model was not changed"),
    setCollections: (chat: Chat, ids: readonly string[]) => {
      // The chat's own hidden collection (files dropped on it) stays, whatever is chosen.
      const own = chat.collections.filter((each) => each.kind === "chat").map((each) => each.id);
      return change(chat.id, { collection_ids: [...own, ...ids] }, "The knowledge was not changed");
    },
    remove: async (chat: Pick<Chat, "id" | "title">) => {
      if (!(await askForDeletion(chat.title))) return;
      deletions.schedule(chat.id);
      if (shownId === chat.id) void navigate({ to: "/" });
      tellDeleted(chat.title, () => deletions.undo(chat.id));
    },
  };
}
