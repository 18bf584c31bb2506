import { useDebouncedValue } from "@mantine/hooks";
import { Spotlight } from "@mantine/spotlight";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Activity, BookOpen, ChartColumn, Cpu, Keyboard, MessageSquare, Search, Settings, ShieldCheck, SquarePen } from "lucide-react";
import { type ReactNode, useState } from "react";
import { chatListQuery } from "@/features/chat";
import { useUser } from "@/lib/api";
import { openShortcuts } from "./Shortcuts";

type Command = { label: string; icon: ReactNode; run: () => void };

/** Ctrl+K: searches chats and goes to any page. */
export function CommandPalette() {
  const user = useUser();
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [query] = useDebouncedValue(text.trim(), 150);
  const chats = useInfiniteQuery({ ...chatListQuery(query), enabled: isOpen, placeholderData: keepPreviousData });
  const found = (chats.data?.pages[0]?.items ?? []).slice(0, 8);
  const commands: Command[] = [
    { label: "New chat", icon: <SquarePen size={17} aria-hidden />, run: () => void navigate({ to: "/" }) },
    { label: "Knowledge", icon: <BookOpen size={17} aria-hidden />, run: () => void navigate({ to: "/knowledge" }) },
    { label: "Models", icon: <Cpu size={17} aria-hidden />, run: () => void navigate({ to: "/models" }) },
    { label: "Traces", icon: <Activity size={17} aria-hidden />, run: () => void navigate({ to: "/traces" }) },
    { label: "Usage", icon: <ChartColumn size={17} aria-hidden />, run: () => void navigate({ to: "/usage" }) },
    { label: "Settings", icon: <Settings size={17} aria-hidden />, run: () => void navigate({ to: "/settings" }) },
    ...(user.role === "admin"
      ? [{ label: "Administration", icon: <ShieldCheck size={17} aria-hidden />, run: () => void navigate({ to: "/admin" }) }]
      : []),
    { label: "Keyboard shortcuts", icon: <Keyboard size={17} aria-hidden />, run: openShortcuts },
  ];
  const pages = commands.filter((command) => command.label.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Spotlight.Root
      query={text}
      onQueryChange={setText}
      shortcut={["mod + K"]}
      tagsToIgnore={[]}
      scrollable
      maxHeight={420}
      attributes={{ content: { "aria-label": "Search chats and go to pages" } }}
      overlayProps={{ backgroundOpacity: 0.35, blur: 2 }}
      radius="lg"
      onSpotlightOpen={() => setOpen(true)}
      onSpotlightClose={() => {
        setOpen(false);
        setText("");
      }}
    >
      <Spotlight.Search placeholder="Search chats or go to…" aria-label="Search chats or go to a page" leftSection={<Search size={18} aria-hidden />} />
      <Spotlight.ActionsList>
        {pages.length > 0 ? (
          <Spotlight.ActionsGroup label="Go to">
            {pages.map((command) => (
              <Spotlight.Action key={command.label} label={command.label} leftSection={command.icon} onClick={command.run} />
            ))}
          </Spotlight.ActionsGroup>
        ) : null}
        {found.length > 0 ? (
          <Spotlight.ActionsGroup label={query ? "Chats" : "Latest chats"}>
            {found.map((chat) => (
              <Spotlight.Action
                key={chat.id}
                label={chat.title}
                {...(chat.snippet ? { description: chat.snippet } : {})}
                leftSection={<MessageSquare size={17} aria-hidden />}
                onClick={() => void navigate({ to: "/c/$chatId", params: { chatId: chat.id } })}
              />
            ))}
          </Spotlight.ActionsGroup>
        ) : null}
        {pages.length === 0 && found.length === 0 ? <Spotlight.Empty>Nothing found</Spotlight.Empty> : null}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}

