import { Button, Progress } from "@mantine/core";
import { CircleAlert, Download, FileText, ScanText, Trash2, TriangleAlert } from "lucide-react";
import { canRetryFile, type Document, documentFileUrl } from "@/lib/api";
import { formatBytes, plural } from "@/lib/format";
import { RelativeTime } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { endingOf } from "../model/fileRules";
import { percentOf, stageLabel } from "../model/progress";

type DocumentRowProps = {
  document: Document;
  isRetrying: boolean;
  onOpen: (document: Document) => void;
  onRetry: (document: Document) => void;
  onDelete: (document: Document) => void;
};

/** One document: what it is, where its reading stands, what went wrong, and what can be done. */
export function DocumentRow({ document, isRetrying, onOpen, onRetry, onDelete }: DocumentRowProps) {
  const isReady = document.status === "ready";
  return (
    <li className="flex items-start gap-3 border-t border-line px-3 py-3 first:border-t-0 sm:px-4">
      <span className="mt-0.5 grid h-9 w-10 shrink-0 place-items-center rounded-md bg-sunken font-mono text-[0.65rem] font-semibold text-ink-faint uppercase" aria-hidden>
        {endingOf(document.name).slice(0, 4) || <FileText size={16} />}
      </span>
      <div className="min-w-0 flex-1">
        {isReady ? (
          <button
            type="button"
            className="max-w-full rounded-sm text-left text-sm font-medium break-words hover:text-accent-ink hover:underline"
            onClick={() => onOpen(document)}
          >
            {document.name}
          </button>
        ) : (
          <p className="text-sm font-medium break-words">{document.name}</p>
        )}
        <Facts document={document} />
        <Reading document={document} />
        {document.status === "failed" ? (
          <Note tone="danger">{document.error?.detail ?? "This document could not be read."}</Note>
        ) : null}
        {document.warnings.map((warning) => (
          <Note key={warning} tone="warn">
            {warning}
          </Note>
        ))}
      </div>
      {document.status === "failed" && canRetryFile(document.error?.code) ? (
        <Button size="xs" variant="default" loading={isRetrying} onClick={() => onRetry(document)} aria-label={`Retry ${document.name}`}>
          Retry
        </Button>
      ) : null}
      <ActionsMenu
        label={`Actions for ${document.name}`}
        actions={[
          { label: "Show the text that was read", Icon: ScanText, isDisabled: !isReady, run: () => onOpen(document) },
          { label: "Download original", Icon: Download, href: documentFileUrl(document.id), download: document.name },
          { label: "Delete", Icon: Trash2, isDangerous: true, run: () => onDelete(document) },
        ]}
      />
    </li>
  );
}

function Facts({ document }: { document: Document }) {
  const facts = [formatBytes(document.size_bytes)];
  if (document.page_count !== null) facts.push(plural(document.page_count, "page"));
  if (document.status === "ready") facts.push(plural(document.chunk_count, "passage"));
  return (
    <p className="mt-0.5 text-xs text-ink-faint tabular-nums">
      {facts.join(" · ")} · added <RelativeTime at={document.created_at} />
    </p>
  );
}

function Reading({ document }: { document: Document }) {
  if (document.status !== "queued" && document.status !== "processing") return null;
  const percent = percentOf(document.progress);
  return (
    <div className="mt-2 max-w-md">
      <p className="mb-1 text-xs text-ink-soft tabular-nums">
        {stageLabel(document)}
        {document.status === "processing" ? `, ${percent} %` : ""}
      </p>
      <Progress
        size="xs"
        value={document.status === "queued" ? 0 : Math.max(3, percent)}
        aria-label={`Reading of ${document.name}`}
        transitionDuration={400}
      />
    </div>
  );
}

function Note({ tone, children }: { tone: "danger" | "warn"; children: React.ReactNode }) {
  const Icon = tone === "danger" ? CircleAlert : TriangleAlert;
  const look = tone === "danger" ? "bg-danger-soft text-danger" : "bg-warn-soft text-warn";
  return (
    <p className={`mt-2 flex w-fit max-w-full items-start gap-2 rounded-md px-2.5 py-1.5 text-sm ${look}`}>
      <Icon size={15} className="mt-[3px] shrink-0" aria-hidden />
      <span className="min-w-0 break-words text-pretty">{children}</span>
    </p>
  );
}
