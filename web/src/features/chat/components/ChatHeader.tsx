import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { ChevronDown, SquarePen } from "lucide-react";
import { useState } from "react";
import type { Chat } from "@/lib/api";
import { SidebarButton, useShell } from "@/ui";
import { useChatActions } from "../hooks/useChatActions";
import { ChatMenu } from "./ChatMenu";
import { RenameField } from "./RenameField";

/** The bar over a chat: its title, which opens its menu, and the way to a new one. */
export function ChatHeader({ chat }: { chat: Chat | null }) {
  const { isNarrow, isSidebarOpen } = useShell();
  const actions = useChatActions();
  const [isRenaming, setRenaming] = useState(false);
  useDocumentTitle(chat === null ? "Alcove" : `${chat.title} · Alcove`);
  return (
    <header className="flex h-12 shrink-0 items-center gap-1 px-2 sm:px-3">
      <SidebarButton />
      <div className="min-w-0 flex-1">
        {chat === null ? null : isRenaming ? (
          <div className="max-w-sm">
            <RenameField
              title={chat.title}
              onRename={(title) => void actions.rename(chat.id, title)}
              onClose={() => setRenaming(false)}
            />
          </div>
        ) : (
          <ChatMenu chat={chat} onRename={() => setRenaming(true)}>
            <button
              type="button"
              className="flex h-8 max-w-full items-center gap-1 rounded-lg px-2 text-sm font-medium text-ink-soft hover:bg-hover hover:text-ink"
              aria-label={`Options for ${chat.title}`}
            >
              <h1 className="truncate text-sm font-medium">{chat.title}</h1>
              <ChevronDown size={14} className="shrink-0" aria-hidden />
            </button>
          </ChatMenu>
        )}
      </div>
      {chat !== null && (isNarrow || !isSidebarOpen) ? (
        <Link to="/" aria-label="New chat" className="grid size-9 place-items-center rounded-lg text-ink-soft hover:bg-hover hover:text-ink">
          <SquarePen size={18} aria-hidden />
        </Link>
      ) : null}
    </header>
  );
}
