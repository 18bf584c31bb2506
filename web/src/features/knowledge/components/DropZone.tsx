import { Button } from "@mantine/core";
import { Upload as UploadIcon } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { ACCEPT } from "../model/fileRules";
import { droppedFiles } from "../model/droppedFiles";

type DropZoneProps = { onFiles: (files: File[]) => void; isLarge: boolean };

/** Where files are dropped or chosen; folders may be dropped too. */
export function DropZone({ onFiles, isLarge }: DropZoneProps) {
  const input = useRef<HTMLInputElement>(null);
  // Entering a child fires "leave" of the parent, so enters and leaves are counted.
  const depth = useRef(0);
  const [isOver, setOver] = useState(false);

  const take = async (event: DragEvent) => {
    event.preventDefault();
    depth.current = 0;
    setOver(false);
    const files = await droppedFiles(event.dataTransfer);
    if (files.length > 0) onFiles(files);
  };
  const enter = (step: 1 | -1) => (event: DragEvent) => {
    event.preventDefault();
    depth.current = Math.max(0, depth.current + step);
    setOver(depth.current > 0);
  };

  return (
    // Dropping is the mouse's way; the button inside does the same for keys.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="group"
      aria-label="Add documents"
      onDragEnter={enter(1)}
      onDragLeave={enter(-1)}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => void take(event)}
      className={`flex flex-wrap items-center justify-center gap-x-5 gap-y-3 rounded-xl border border-dashed px-5 text-center transition-colors ${
        isLarge ? "flex-col py-10" : "py-4 sm:justify-between sm:text-left"
      } ${isOver ? "border-accent bg-accent-soft" : "border-line-strong bg-sunken/60"}`}
    >
      <div className={`flex min-w-0 items-center gap-3 ${isLarge ? "flex-col" : ""}`}>
        <span className={`shrink-0 ${isOver ? "text-accent-ink" : "text-ink-faint"}`} aria-hidden>
          <UploadIcon size={isLarge ? 26 : 20} />
        </span>
        <div>
          <p className={isLarge ? "text-base font-semibold" : "text-sm font-medium"}>
            {isOver ? "Let go to add" : isLarge ? "Drop your first documents here" : "Drop files or folders here"}
          </p>
          {isLarge ? (
            <p className="mx-auto mt-1 mb-1.5 max-w-sm text-sm leading-relaxed text-pretty text-ink-soft">
              Each is read and cut into passages. A chat then answers from the passages that fit the question, and names them.
            </p>
          ) : null}
          <p className="mt-0.5 text-xs leading-relaxed text-ink-faint">PDF, DOCX, HTML, Markdown or text, up to 50 MB each</p>
        </div>
      </div>
      <Button variant={isLarge ? "filled" : "default"} onClick={() => input.current?.click()}>
        Choose files
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept={ACCEPT}
        aria-label="Files to add"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          // Cleared, so that the same file can be chosen again.
          event.currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
    </div>
  );
}
