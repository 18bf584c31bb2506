import type { RefObject } from "react";
import { ACCEPTED } from "../uploads";

type HiddenFileInputProps = { inputRef: RefObject<HTMLInputElement | null>; onFiles: (files: File[]) => void };

/** The file dialog behind a button that looks like something else. */
export function HiddenFileInput({ inputRef, onFiles }: HiddenFileInputProps) {
  return (
    <input
      ref={inputRef}
      type="file"
      multiple
      accept={ACCEPTED}
      hidden
      aria-label="Choose documents"
      onChange={(event) => {
        const files = [...(event.currentTarget.files ?? [])];
        event.currentTarget.value = "";
        if (files.length > 0) onFiles(files);
      }}
    />
  );
}
