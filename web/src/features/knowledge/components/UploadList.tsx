import { Button, Progress } from "@mantine/core";
import { CircleAlert, FileUp, Info, X } from "lucide-react";
import { formatBytes } from "@/lib/format";
import { IconButton } from "@/ui";
import type { Upload } from "../hooks/uploadQueue";
import { percentOf } from "../model/progress";

const SHOWN = 30;
type UploadListProps = { uploads: Upload[]; onDismiss: (id: string) => void; onRetry: (id: string) => void };

/** Files on their way, and those that did not make it, each with its reason. */
export function UploadList({ uploads, onDismiss, onRetry }: UploadListProps) {
  if (uploads.length === 0) return null;
  const waiting = uploads.length - SHOWN;
  return (
    <ul aria-label="Uploads" className="mt-3 space-y-2">
      {uploads.slice(0, SHOWN).map((upload) => (
        <UploadRow key={upload.id} upload={upload} onDismiss={onDismiss} onRetry={onRetry} />
      ))}
      {waiting > 0 ? <li className="px-1 text-sm text-ink-faint">and {waiting} more in line</li> : null}
    </ul>
  );
}

function UploadRow({ upload, onDismiss, onRetry }: { upload: Upload } & Omit<UploadListProps, "uploads">) {
  const { id, file, state, share, reason } = upload;
  const isBad = state === "failed" || state === "refused";
  const percent = percentOf(share);
  const dismissLabel = state === "waiting" || state === "sending" ? `Cancel upload of ${file.name}` : `Dismiss ${file.name}`;
  return (
    <li
      className={`flex items-start gap-3 rounded-lg border px-3 py-2.5 ${
        isBad ? "border-danger-line bg-danger-soft" : "border-line bg-raised"
      }`}
    >
      <span className={`mt-0.5 shrink-0 ${isBad ? "text-danger" : "text-ink-faint"}`} aria-hidden>
        {isBad ? <CircleAlert size={18} /> : state === "known" ? <Info size={18} /> : <FileUp size={18} />}
      </span>
      <div className="min-w-0 flex-1">
        <p className="truncate text-sm font-medium" title={file.name}>
          {file.name}
        </p>
        {reason ? (
          <p className="mt-0.5 text-sm text-pretty text-ink-soft" role={isBad ? "alert" : "status"}>
            {reason}
          </p>
        ) : (
          <>
            <p className="mt-0.5 text-xs text-ink-faint tabular-nums">
              {formatBytes(file.size)} · {state === "waiting" ? "waiting to be sent" : `sending, ${percent} %`}
            </p>
            <Progress mt={6} size="xs" value={percent} aria-label={`Upload of ${file.name}`} />
          </>
        )}
      </div>
      {state === "failed" ? (
        <Button size="xs" variant="default" onClick={() => onRetry(id)}>
          Retry
        </Button>
      ) : null}
      <IconButton label={dismissLabel} tooltip={false} onClick={() => onDismiss(id)}>
        <X size={16} aria-hidden />
      </IconButton>
    </li>
  );
}
