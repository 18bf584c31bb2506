import { useClipboard } from "@mantine/hooks";
import { Check, Copy } from "lucide-react";
import { IconButton } from "./IconButton";

type CopyButtonProps = { value: string; label?: string; size?: "sm" | "md" };

/** Copies a text and says so for a moment. */
export function CopyButton({ value, label = "Copy", size = "md" }: CopyButtonProps) {
  const clipboard = useClipboard({ timeout: 1500 });
  return (
    <IconButton label={clipboard.copied ? "Copied" : label} size={size} onClick={() => clipboard.copy(value)}>
      {clipboard.copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
    </IconButton>
  );
}
