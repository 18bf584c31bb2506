import { Button, Drawer } from "@mantine/core";
import { Download } from "lucide-react";
import { useMemo } from "react";
import { type DocumentText, documentFileUrl } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { ErrorNotice, Loading } from "@/ui";
import { useDocumentText } from "../api/useDocumentText";
import { markRange } from "../model/passage";
import { textSections, type TextSection } from "../model/textSections";
import { MarkedText } from "./MarkedText";

type Range = { start: number; end: number };
type DocumentDrawerProps = { documentId: string; passage: Range | null; onClose: () => void };

/** The text that was read out of a document, page by page, opened at a passage when one is given. */
export function DocumentDrawer({ documentId, passage, onClose }: DocumentDrawerProps) {
  const query = useDocumentText(documentId);
  return (
    <Drawer
      opened={documentId !== ""}
      onClose={onClose}
      position="right"
      size="min(46rem, 100%)"
      title={<span className="font-semibold break-words">{query.data?.name ?? "Document"}</span>}
      closeButtonProps={{ "aria-label": "Close document" }}
    >
      {query.isError ? (
        <ErrorNotice error={query.error} title="The text could not be loaded" onRetry={() => void query.refetch()} />
      ) : query.data ? (
        <TextBody document={query.data} documentId={documentId} passage={passage} />
      ) : (
        <Loading label="Loading the text" />
      )}
    </Drawer>
  );
}

function TextBody({ document, documentId, passage }: { document: DocumentText; documentId: string; passage: Range | null }) {
  const sections = useMemo(() => textSections(document), [document]);
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-ink-faint">
          {document.pages.length > 0 ? `${plural(document.pages.length, "page")}, ` : ""}
          {formatCount(document.text.length)} characters as Alcove reads them
        </p>
        <Button
          component="a"
          href={documentFileUrl(documentId)}
          download={document.name}
          size="xs"
          variant="default"
          leftSection={<Download size={14} aria-hidden />}
        >
          Original
        </Button>
      </div>
      {document.text.trim() === "" ? (
        <p className="text-sm text-ink-soft">
          No text was found in this file. A scan holds pictures of text only; run text recognition on it, then add it again.
        </p>
      ) : (
        sections.map((section) => <Section key={section.start} section={section} passage={passage} />)
      )}
    </>
  );
}

function Section({ section, passage }: { section: TextSection; passage: Range | null }) {
  const end = section.start + section.text.length;
  const holdsPassage = passage !== null && passage.start < end && passage.end > section.start;
  return (
    // Sections out of sight are not laid out: a book opens as fast as a letter.
    <section
      className={holdsPassage ? "" : "[contain-intrinsic-size:auto_40rem] [content-visibility:auto]"}
      aria-label={section.page === null ? undefined : `Page ${section.page}`}
    >
      {section.page === null ? null : (
        <p className="my-3 flex items-center gap-3 text-xs font-medium text-ink-faint" aria-hidden>
          <span className="h-px flex-1 bg-line" />
          Page {section.page}
          <span className="h-px flex-1 bg-line" />
        </p>
      )}
      <div className="text-[0.92rem] leading-relaxed break-words whitespace-pre-wrap" ref={holdsPassage ? showMark : undefined}>
        {holdsPassage ? <MarkedText pieces={markRange(section.text, section.start, passage.start, passage.end)} /> : section.text}
      </div>
    </section>
  );
}

/** Brings the marked passage into view when its section is first drawn. */
function showMark(section: HTMLElement | null): void {
  const mark = section?.querySelector("mark");
  if (mark) requestAnimationFrame(() => mark.scrollIntoView({ block: "center" }));
}
