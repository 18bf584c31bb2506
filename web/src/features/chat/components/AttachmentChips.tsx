import { RingProgress, Tooltip } from "@mantine/core";
import { FileText, RotateCcw, TriangleAlert, X } from "lucide-react";
import { IconButton } from "@/ui";
import { formatBytes } from "@/lib/format";
import type { Attachment } from "../uploads";

type AttachmentChipsProps = {
  attachments: readonly Attachment[];
  onRemove: (id: string) => void;
  onRetry: (id: string) => void;
};

/** The files of the next message, each with how far it is, or why it cannot be read. */
export function AttachmentChips({ attachments, onRemove, onRetry }: AttachmentChipsProps) {
  if (attachments.length === 0) return null;
  return (
    <ul className="flex flex-wrap gap-2 px-3 pt-3" aria-label="Attached files">
      {attachments.map((attachment) => (
        <li
          key={attachment.id}
          className={`flex max-w-full items-center gap-2 rounded-xl border py-1.5 pr-1 pl-2 text-sm ${attachment.status === "failed" ? "border-danger-line bg-danger-soft" : "border-line bg-sunken"}`}
        >
          <StatusIcon attachment={attachment} />
          <span className="min-w-0">
            <span className="block max-w-52 truncate leading-tight font-medium">{attachment.name}</span>
            <span
              className={`block text-xs leading-tight ${attachment.status === "failed" ? "max-w-72 text-danger" : "text-ink-faint"}`}
              role={attachment.status === "failed" ? "alert" : undefined}
            >
              {describe(attachment)}
            </span>
          </span>
          {attachment.status === "failed" && attachment.canRetry ? (
            <IconButton label={`Try ${attachment.name} again`} size="sm" onClick={() => onRetry(attachment.id)}>
              <RotateCcw size={14} aria-hidden />
            </IconButton>
          ) : null}
          <IconButton label={`Remove ${attachment.name}`} size="sm" onClick={() => onRemove(attachment.id)}>
            <X size={14} aria-hidden />
          </IconButton>
        </li>
      ))}
    </ul>
  );
}

function StatusIcon({ attachment }: { attachment: Attachment }) {
  if (attachment.status === "failed") return <TriangleAlert size={18} className="shrink-0 text-danger" aria-hidden />;
  if (attachment.status === "ready") return <FileText size={18} className="shrink-0 text-accent" aria-hidden />;
  return (
    <Tooltip label={attachment.activity}>
      <RingProgress
        size={20}
        thickness={3}
        roundCaps
        aria-label={`${attachment.activity} ${attachment.name}`}
        sections={[{ value: Math.max(8, attachment.progress * 100), color: "var(--accent)" }]}
      />
    </Tooltip>
  );
}

function describe(attachment: Attachment): string {
  if (attachment.status === "failed") return attachment.error ?? "This file could not be read.";
  if (attachment.status === "ready") return formatBytes(attachment.sizeBytes);
  return `${attachment.activity}… ${Math.round(attachment.progress * 100)} %`;
}
