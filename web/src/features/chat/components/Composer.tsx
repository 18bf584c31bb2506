import { Button, FileButton, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ArrowUp, Paperclip, Square } from "lucide-react";
import { type ClipboardEvent, type KeyboardEvent, type Ref, useImperativeHandle, useRef, useState } from "react";
import { type CollectionRef, collectionsQuery } from "@/lib/api";
import { IconButton } from "@/ui";
import { type Mention, mentionAt, withoutMention } from "../mention";
import { ACCEPTED, type Attachment, isBusy } from "../uploads";
import { AttachmentChips } from "./AttachmentChips";
import { KnowledgePicker, KnowledgePills } from "./KnowledgePicker";
import { MentionList } from "./MentionList";
import { ModelPicker } from "./ModelPicker";

export type ComposerHandle = { focus: () => void };

type ComposerProps = {
  ref?: Ref<ComposerHandle>;
  draft: string;
  onDraftChange: (text: string) => void;
  attachments: readonly Attachment[];
  onFiles: (files: File[]) => void;
  onRemoveAttachment: (id: string) => void;
  onRetryAttachment: (id: string) => void;
  collections: readonly CollectionRef[];
  onCollectionsChange: (collections: CollectionRef[]) => void;
  model: string | null;
  onModelChange: (model: string | null) => void;
  onSend: () => void;
  /** Set while an answer is being written: the button then stops it. */
  onStop: (() => void) | null;
  /** A message is waiting for its files, or on its way. */
  isSending: boolean;
  onCancelSending: () => void;
};

/** Where a message is written: text, files, knowledge and model. */
export function Composer({ ref, ...props }: ComposerProps) {
  const { draft, onDraftChange, attachments, onFiles, collections, onCollectionsChange, isSending, onStop } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const [mention, setMention] = useState<Mention | null>(null);
  const [mentionIndex, setMentionIndex] = useState(0);
  const { data: known = [] } = useQuery({ ...collectionsQuery, enabled: mention !== null });
  const options = mention === null ? [] : optionsFor(mention.query, known, collections);
  useImperativeHandle(ref, () => ({ focus: () => field.current?.focus() }));

  const failed = attachments.filter((each) => each.status === "failed");
  const hasFailed = failed.length > 0;
  const isWaiting = isSending && attachments.some(isBusy);
  const canSend = draft.trim() !== "" && !isSending && !hasFailed && onStop === null;

  const track = (element: HTMLTextAreaElement) => {
    setMention(element.selectionStart === element.selectionEnd ? mentionAt(element.value, element.selectionStart) : null);
    setMentionIndex(0);
  };
  const choose = (collection: CollectionRef) => {
    if (mention === null) return;
    onDraftChange(withoutMention(draft, mention));
    onCollectionsChange([...collections, collection]);
    setMention(null);
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter that ends the composition of a character (Japanese, Chinese …) must not send.
    if (event.nativeEvent.isComposing) return;
    const option = options[mentionIndex];
    if (mention !== null && option) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : options.length - 1;
        setMentionIndex((index) => (index + step) % options.length);
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        choose(option);
        return;
      }
      if (event.key === "Escape") {
        event.stopPropagation();
        setMention(null);
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (canSend) props.onSend();
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    // A copied table or slide also carries a picture of itself; its text is what was meant.
    if (files.length === 0 || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    onFiles(files);
  };

  return (
    <>
      <div className="relative rounded-2xl border border-line-strong bg-raised shadow-soft transition-[border-color,box-shadow] focus-within:border-accent focus-within:ring-3 focus-within:ring-accent/12">
        {mention !== null && options.length > 0 ? (
          <MentionList options={options} index={mentionIndex} onHover={setMentionIndex} onChoose={choose} />
        ) : null}
        <AttachmentChips attachments={attachments} onRemove={props.onRemoveAttachment} onRetry={props.onRetryAttachment} />
        {collections.length > 0 ? (
          <div className="flex flex-wrap gap-1.5 px-3 pt-3">
            <KnowledgePills chosen={collections} onChange={onCollectionsChange} />
          </div>
        ) : null}
        <Textarea
          ref={field}
          autosize
          minRows={1}
          maxRows={12}
          variant="unstyled"
          aria-label="Message"
          placeholder="Ask anything, or drop a document"
          value={draft}
          autoFocus
          onChange={(event) => {
            onDraftChange(event.currentTarget.value);
            track(event.currentTarget);
          }}
          onSelect={(event) => track(event.currentTarget)}
          onBlur={() => setMention(null)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          aria-controls={mention !== null && options.length > 0 ? "mention-list" : undefined}
          styles={{ input: { padding: "14px 16px 6px", fontSize: "1rem", lineHeight: 1.55 } }}
        />
        <div className="flex items-center gap-1 px-2 pb-2">
          <FileButton accept={ACCEPTED} multiple onChange={(files) => onFiles(files)} inputProps={{ "aria-label": "Files to attach" }}>
            {(button) => (
              <IconButton label="Attach files (PDF, Word, HTML, Markdown, text)" size={32} radius="md" {...button}>
                <Paperclip size={17} aria-hidden />
              </IconButton>
            )}
          </FileButton>
          <KnowledgePicker chosen={collections} onChange={onCollectionsChange} />
          <div className="ml-auto flex min-w-0 items-center gap-1">
            {isWaiting ? (
              <span className="truncate text-xs text-ink-faint" role="status">
                Sends when the files are ready
              </span>
            ) : (
              <ModelPicker value={props.model} onChange={props.onModelChange} />
            )}
            {onStop !== null ? (
              <IconButton label="Stop answering (Esc)" variant="filled" color="pine" size={34} radius="xl" onClick={onStop}>
                <Square size={13} fill="currentColor" aria-hidden />
              </IconButton>
            ) : isSending ? (
              <IconButton label="Do not send" variant="light" color="pine" size={34} radius="xl" loading={!isWaiting} onClick={props.onCancelSending}>
                <Square size={13} fill="currentColor" aria-hidden />
              </IconButton>
            ) : (
              <IconButton
                label={hasFailed ? "Remove the file that failed first" : "Send message (Enter)"}
                variant="filled"
                color="pine"
                size={34}
                radius="xl"
                aria-disabled={!canSend}
                {...(canSend ? {} : { "data-disabled": true })}
                onClick={() => canSend && props.onSend()}
              >
                <ArrowUp size={18} aria-hidden />
              </IconButton>
            )}
          </div>
        </div>
      </div>
      {failed.length > 0 ? (
        <div className="mt-1.5 flex flex-wrap items-center gap-x-2 gap-y-1 px-2 text-sm text-ink-soft">
          <p role="status">
            {failed.length === 1 ? "One file could not be read. Remove it" : `${failed.length} files could not be read. Remove them`} to send
            your message.
          </p>
          <Button
            variant="default"
            size="compact-sm"
            onClick={() => {
              for (const each of failed) props.onRemoveAttachment(each.id);
              field.current?.focus();
            }}
          >
            Remove failed files
          </Button>
        </div>
      ) : null}
    </>
  );
}

function optionsFor(
  query: string,
  known: readonly { id: string; name: string }[],
  chosen: readonly CollectionRef[],
): CollectionRef[] {
  const wanted = query.toLowerCase();
  return known
    .filter((each) => each.name.toLowerCase().includes(wanted) && !chosen.some((other) => other.id === each.id))
    .slice(0, 6)
    .map((each) => ({ id: each.id, name: each.name, kind: "collection" }));
}
