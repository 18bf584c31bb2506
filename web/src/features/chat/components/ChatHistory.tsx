import { TextInput } from "@mantine/core";
import { useDebouncedValue, useIntersection } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Ellipsis, Pin, Search, X } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import type { ChatSummary } from "@/lib/api";
import { dayGroup } from "@/lib/time";
import { ErrorNotice, IconButton, useShell } from "@/ui";
import { chatListQuery } from "../api/chats";
import { useChatActions } from "../hooks/useChatActions";
import { usePendingDeletions } from "../session";
import { ChatMenu } from "./ChatMenu";
import { RenameField } from "./RenameField";
import { Snippet } from "./Snippet";

/** All chats, grouped by day, with search in titles and messages. */
export function ChatHistory() {
  const [text, setText] = useState("");
  const [query] = useDebouncedValue(text.trim(), 200);
  const list = useInfiniteQuery({ ...chatListQuery(query), placeholderData: keepPreviousData });
  const deleted = usePendingDeletions();
  const groups = useMemo(
    () => groupChats((list.data?.pages ?? []).flatMap((page) => page.items).filter((chat) => !deleted.has(chat.id))),
    [list.data, deleted],
  );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="px-3 pb-2">
        <TextInput
          size="sm"
          type="search"
          aria-label="Search chats"
          placeholder="Search chats"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          leftSection={<Search size={15} aria-hidden />}
          rightSection={
            text ? (
              <IconButton label="Clear search" size="sm" tooltip={false} onClick={() => setText("")}>
                <X size={14} aria-hidden />
              </IconButton>
            ) : null
          }
          styles={{ input: { background: "transparent", borderColor: "var(--line)" } }}
        />
      </div>
      <nav aria-label="Chats" className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {list.isError ? <ErrorNotice error={list.error} onRetry={() => void list.refetch()} /> : null}
        {list.isSuccess && groups.length === 0 ? (
          <p className="px-2 py-3 text-sm text-ink-faint">{query ? `Nothing found for “${query}”.` : "Your chats will be listed here."}</p>
        ) : null}
        {groups.map(([name, chats]) => (
          <section key={name} aria-label={name} className="mb-3">
            <h2 className="flex items-center gap-1.5 px-2 pt-2 pb-1 text-xs font-medium text-ink-faint">{name}</h2>
            <ul>
              {chats.map((chat) => (
                <HistoryRow key={chat.id} chat={chat} query={query} />
              ))}
            </ul>
          </section>
        ))}
        {list.hasNextPage ? (
          <MoreOnSight isLoading={list.isFetchingNextPage} onSight={() => void list.fetchNextPage()} />
        ) : null}
      </nav>
    </div>
  );
}

function HistoryRow({ chat, query }: { chat: ChatSummary; query: string }) {
  const { chatId } = useParams({ strict: false });
  const { closeDrawer } = useShell();
  const actions = useChatActions();
  const [isRenaming, setRenaming] = useState(false);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const isShown = chatId === chat.id;
  if (isRenaming) {
    return (
      <li className="px-1 py-0.5">
        <RenameField
          title={chat.title}
          onRename={(title) => void actions.rename(chat.id, title)}
          onClose={() => setRenaming(false)}
        />
      </li>
    );
  }
  return (
    <li
      className={`group/row relative flex items-center rounded-lg ${isShown ? "bg-hover" : "hover:bg-hover/60 focus-within:bg-hover/60"}`}
    >
      <Link
        to="/c/$chatId"
        params={{ chatId: chat.id }}
        onClick={closeDrawer}
        aria-current={isShown ? "page" : undefined}
        title={chat.title}
        className="min-w-0 flex-1 rounded-lg py-1.5 pr-8 pl-2 text-sm"
      >
        <span className="flex items-center gap-1.5">
          {chat.pinned ? <Pin size={12} className="shrink-0 text-ink-faint" aria-label="Pinned" /> : null}
          <span className={`truncate ${isShown ? "font-medium" : ""}`}>{chat.title}</span>
        </span>
        {query && chat.snippet ? <Snippet text={chat.snippet} query={query} /> : null}
      </Link>
      <span
        className={`absolute top-1 right-1 transition-opacity group-hover/row:opacity-100 group-focus-within/row:opacity-100 [@media(hover:none)]:opacity-100 ${isMenuOpen ? "opacity-100" : "opacity-0"}`}
      >
        <ChatMenu chat={chat} onRename={() => setRenaming(true)} onOpenChange={setMenuOpen}>
          <IconButton label={`Options for ${chat.title}`} size="sm" tooltip={false}>
            <Ellipsis size={15} aria-hidden />
          </IconButton>
        </ChatMenu>
      </span>
    </li>
  );
}

function MoreOnSight({ isLoading, onSight }: { isLoading: boolean; onSight: () => void }) {
  const { ref, entry } = useIntersection({ rootMargin: "200px" });
  const latest = useRef(onSight);
  useEffect(() => {
    latest.current = onSight;
  });
  const isSeen = entry?.isIntersecting ?? false;
  useEffect(() => {
    if (isSeen && !isLoading) latest.current();
  }, [isSeen, isLoading]);
  return (
    <button ref={ref} type="button" className="w-full rounded-lg px-2 py-2 text-left text-sm text-ink-faint" onClick={onSight}>
      {isLoading ? "Loading…" : "Show more"}
    </button>
  );
}

/** Pinned chats first under their own heading, the others under the day of their last change. */
export function groupChats(chats: readonly ChatSummary[], now: number = Date.now()): [string, ChatSummary[]][] {
  const groups = new Map<string, ChatSummary[]>();
  const ordered = [...chats.filter((chat) => chat.pinned), ...chats.filter((chat) => !chat.pinned)];
  for (const chat of ordered) {
    const name = chat.pinned ? "Pinned" : dayGroup(chat.updated_at, now);
    const group = groups.get(name);
    if (group) group.push(chat);
    else groups.set(name, [chat]);
  }
  return [...groups];
}
