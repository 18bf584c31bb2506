import { Button, Textarea } from "@mantine/core";
import { FileText, Pencil } from "lucide-react";
import { memo, useState } from "react";
import type { Message } from "@/lib/api";
import { CopyButton, IconButton } from "@/ui";
import type { BranchPosition } from "../tree";
import { BranchSwitcher } from "./BranchSwitcher";

type UserMessageProps = {
  message: Message;
  position: BranchPosition;
  canEdit: boolean;
  onEdit: (message: Message, content: string) => void;
  onSwitch: (message: Message) => void;
};

/** A question. Editing it makes a new branch; the old one stays. */
export const UserMessage = memo(function UserMessage({ message, position, canEdit, onEdit, onSwitch }: UserMessageProps) {
  const [isEditing, setEditing] = useState(false);
  if (isEditing) {
    return (
      <EditField
        initial={message.content}
        onCancel={() => setEditing(false)}
        onSend={(content) => {
          setEditing(false);
          onEdit(message, content);
        }}
      />
    );
  }
  return (
    <article aria-label="Your message" className="group/message flex flex-col items-end pt-4">
      {message.documents.length > 0 ? (
        <ul className="mb-1.5 flex max-w-full flex-wrap justify-end gap-1.5" aria-label="Files sent with this message">
          {message.documents.map((document) => (
            <li
              key={document.id}
              className="flex max-w-64 items-center gap-1.5 rounded-lg border border-line bg-raised px-2 py-1 text-sm text-ink-soft"
            >
              <FileText size={14} className="shrink-0 text-accent" aria-hidden />
              <span className="truncate">{document.name}</span>
            </li>
          ))}
        </ul>
      ) : null}
      <div className="max-w-[88%] rounded-2xl rounded-br-md bg-hover px-4 py-2.5 leading-relaxed break-words whitespace-pre-wrap dark:bg-raised">
        {message.content}
      </div>
      <div className="mt-1 flex h-7 items-center gap-0.5">
        <span className="flex items-center gap-0.5 opacity-0 transition-opacity group-focus-within/message:opacity-100 group-hover/message:opacity-100 [@media(hover:none)]:opacity-100">
          <CopyButton value={message.content} label="Copy message" size="sm" />
          {canEdit ? (
            <IconButton label="Edit message" size="sm" onClick={() => setEditing(true)}>
              <Pencil size={14} aria-hidden />
            </IconButton>
          ) : null}
        </span>
        <BranchSwitcher position={position} what="message" onSwitch={onSwitch} />
      </div>
    </article>
  );
});

function EditField({ initial, onSend, onCancel }: { initial: string; onSend: (text: string) => void; onCancel: () => void }) {
  const [text, setText] = useState(initial);
  const canSend = text.trim() !== "";
  return (
    <div className="rounded-2xl border border-accent bg-raised p-2 shadow-soft">
      <Textarea
        aria-label="Edit message"
        autosize
        autoFocus
        minRows={1}
        maxRows={14}
        variant="unstyled"
        value={text}
        onFocus={(event) => event.currentTarget.setSelectionRange(initial.length, initial.length)}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            if (canSend) onSend(text.trim());
          }
          if (event.key === "Escape") {
            event.stopPropagation();
            onCancel();
          }
        }}
        styles={{ input: { padding: "6px 8px", fontSize: "1rem", lineHeight: 1.55 } }}
      />
      <div className="flex items-center justify-end gap-2">
        <span className="mr-auto pl-2 text-xs text-ink-faint">The answers so far are kept as a branch.</span>
        <Button size="xs" variant="default" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="xs" disabled={!canSend} onClick={() => onSend(text.trim())}>
          Send
        </Button>
      </div>
    </div>
  );
}
