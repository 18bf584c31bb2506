import { useSessionStorage } from "@mantine/hooks";

/** The text not yet sent of a chat ("new" for the next one). Lives in this tab only: drafts may be private. */
export function useDraft(chatId: string) {
  const [draft, setDraft, clearDraft] = useSessionStorage({
    key: `alcove.draft.${chatId}`,
    defaultValue: "",
    getInitialValueInEffect: false,
    serialize: (text) => text,
    deserialize: (text) => text ?? "",
  });
  return { draft, setDraft, clearDraft };
}
