import { TextInput } from "@mantine/core";
import { useRef, useState } from "react";

type RenameFieldProps = { title: string; onRename: (title: string) => void; onClose: () => void };

/** The title of a chat while it is being changed: Enter keeps it, Esc does not. */
export function RenameField({ title, onRename, onClose }: RenameFieldProps) {
  const [value, setValue] = useState(title);
  const isDone = useRef(false);
  const close = (isKept: boolean) => {
    if (isDone.current) return;
    isDone.current = true;
    const wanted = value.trim();
    if (isKept && wanted && wanted !== title) onRename(wanted);
    onClose();
  };
  return (
    <TextInput
      size="xs"
      className="w-full"
      aria-label="Chat title"
      autoFocus
      maxLength={200}
      value={value}
      onFocus={(event) => event.currentTarget.select()}
      onChange={(event) => setValue(event.currentTarget.value)}
      onBlur={() => close(true)}
      onKeyDown={(event) => {
        if (event.key === "Enter") close(true);
        if (event.key === "Escape") {
          event.stopPropagation();
          close(false);
        }
      }}
    />
  );
}
