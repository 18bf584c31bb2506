import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { Check, Copy } from "lucide-react";
import { useId } from "react";

/** A secret that can be read only now: shown in full, with one large way to copy it. */
export function SecretOnce({ label, secret }: { label: string; secret: string }) {
  const clipboard = useClipboard({ timeout: 2000 });
  const id = useId();
  return (
    <div>
      <p id={id} className="mb-1 text-sm font-medium">
        {label}
      </p>
      <div className="flex flex-wrap items-stretch gap-2">
        <code
          aria-labelledby={id}
          className="min-w-0 flex-1 basis-56 rounded-lg border border-accent-line bg-accent-soft px-3 py-2 font-mono text-[0.85rem] leading-6 break-all text-ink select-all"
        >
          {secret}
        </code>
        <Button
          autoFocus
          h="auto"
          mih={36}
          leftSection={clipboard.copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          onClick={() => clipboard.copy(secret)}
        >
          {clipboard.copied ? "Copied" : "Copy"}
        </Button>
      </div>
      <p role="status" className="visually-hidden">
        {clipboard.copied ? `${label} copied` : ""}
      </p>
    </div>
  );
}
