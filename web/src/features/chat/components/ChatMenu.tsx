import { Menu } from "@mantine/core";
import { FileDown, FileJson, Pencil, Pin, PinOff, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import type { Chat } from "@/lib/api";
import { chatExportUrl } from "../api/chats";
import { useChatActions } from "../hooks/useChatActions";

type ChatMenuProps = {
  chat: Pick<Chat, "id" | "title" | "pinned">;
  onRename: () => void;
  children: ReactNode;
  onOpenChange?: (isOpen: boolean) => void;
};

/** Everything that can be done to one chat. */
export function ChatMenu({ chat, onRename, children, onOpenChange }: ChatMenuProps) {
  const actions = useChatActions();
  return (
    <Menu position="bottom-end" width={210} {...(onOpenChange ? { onChange: onOpenChange } : {})}>
      <Menu.Target>{children}</Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<Pencil size={15} aria-hidden />} onClick={onRename}>
          Rename
        </Menu.Item>
        <Menu.Item
          leftSection={chat.pinned ? <PinOff size={15} aria-hidden /> : <Pin size={15} aria-hidden />}
          onClick={() => void actions.setPinned(chat.id, !chat.pinned)}
        >
          {chat.pinned ? "Unpin" : "Pin to top"}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          component="a"
          href={chatExportUrl(chat.id, "markdown")}
          download
          leftSection={<FileDown size={15} aria-hidden />}
        >
          Export as Markdown
        </Menu.Item>
        <Menu.Item component="a" href={chatExportUrl(chat.id, "json")} download leftSection={<FileJson size={15} aria-hidden />}>
          Export as JSON
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item color="red" leftSection={<Trash2 size={15} aria-hidden />} onClick={() => void actions.remove(chat)}>
          Delete
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
