import { Button, Drawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, Download, FileText, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { documentFileUrl, type Message, type Source } from "@/lib/api";
import { IconButton, Loading } from "@/ui";
import { documentTextQuery } from "../api/documents";
import { passageOf, type Segment } from "../passage";

type SourcePanelProps = { message: Message; number: number; onSelect: (number: number) => void; onClose: () => void };

/** The passage behind a citation, beside the answer; in a drawer where there is no room beside it. */
export function SourcePanel(props: SourcePanelProps) {
  const isRoomy = useMediaQuery("(min-width: 1120px)", true, { getInitialValueInEffect: false });
  const source = props.message.sources.find((each) => each.number === props.number);
  if (source === undefined) return null;
  if (isRoomy) {
    return (
      <aside aria-label="Source" className="flex w-[26rem] shrink-0 flex-col border-l border-line bg-raised">
        <Passage key={`${props.message.id}/${source.number}`} {...props} source={source} isModal={false} />
      </aside>
    );
  }
  return (
    <Drawer.Root opened onClose={props.onClose} position="right" size={440} padding={0}>
      <Drawer.Overlay />
      <Drawer.Content aria-label="Source" styles={{ content: { background: "var(--raised)" } }}>
        <Drawer.Body className="flex h-full flex-col">
          <Passage key={`${props.message.id}/${source.number}`} {...props} source={source} isModal />
        </Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}

const CONTEXT_STEP = 700;

function Passage({ message, source, onSelect, onClose, isModal }: SourcePanelProps & { source: Source; isModal: boolean }) {
  const document = useQuery(documentTextQuery(source.document_id));
  const [around, setAround] = useState(CONTEXT_STEP);
  const heading = useRef<HTMLHeadingElement>(null);
  const cited = useRef<HTMLElement>(null);
  const passage = passageOf(source, message.citations, document.data ?? null, around);
  const index = message.sources.findIndex((each) => each.number === source.number);
  const previous = message.sources[index - 1];
  const next = message.sources[index + 1];
  const isLoaded = !document.isPending;

  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    if (isLoaded) cited.current?.scrollIntoView({ block: "center" });
  }, [isLoaded]);
  useEffect(() => {
    if (isModal) return;
    const close = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) {
        event.preventDefault();
        onClose();
      }
    };
    window.addEventListener("keydown", close, { capture: true });
    return () => window.removeEventListener("keydown", close, { capture: true });
  }, [isModal, onClose]);

  const firstMarked = passage.segments.findIndex((segment) => segment.kind === "cited");
  const target = firstMarked === -1 ? passage.segments.findIndex((segment) => segment.kind === "chunk") : firstMarked;
  return (
    <>
      <header className="border-b border-line px-4 pt-3 pb-3">
        <div className="flex items-center gap-1">
          <span className="mr-auto text-xs font-medium text-ink-faint">
            Source {source.number} of {message.sources.length}
          </span>
          <IconButton label="Previous source" disabled={!previous} onClick={() => previous && onSelect(previous.number)}>
            <ChevronLeft size={17} aria-hidden />
          </IconButton>
          <IconButton label="Next source" disabled={!next} onClick={() => next && onSelect(next.number)}>
            <ChevronRight size={17} aria-hidden />
          </IconButton>
          <IconButton label="Close source" onClick={onClose}>
            <X size={17} aria-hidden />
          </IconButton>
        </div>
        <h2 ref={heading} tabIndex={-1} className="mt-1 flex items-start gap-2 font-semibold outline-none">
          <FileText size={18} className="mt-1 shrink-0 text-accent" aria-hidden />
          <span className="min-w-0 break-words">{source.document}</span>
        </h2>
        <p className="mt-1 text-sm text-ink-faint">{placeOf(source)}</p>
        <Button
          component="a"
          href={documentFileUrl(source.document_id)}
          download
          variant="default"
          size="xs"
          mt="sm"
          leftSection={<Download size={14} aria-hidden />}
        >
          Download file
        </Button>
      </header>
      {/* Focusable, because a keyboard must be able to scroll it. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4" tabIndex={0} role="region" aria-label="Passage">
        {document.isPending ? <Loading label="Loading the document" /> : null}
        {document.isError ? (
          <p className="mb-3 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
            The document itself could not be loaded; this is the passage as it was found.
          </p>
        ) : null}
        {document.isPending ? null : (
          <>
            {passage.hasMoreBefore ? <MoreButton onClick={() => setAround((chars) => chars + 2 * CONTEXT_STEP)} /> : null}
            <p className="text-[0.95rem] leading-relaxed break-words whitespace-pre-wrap">
              {passage.segments.map((segment, at) => (
                <PassagePart
                  // eslint-disable-next-line react/no-array-index-key -- a passage is replaced as a whole
                  key={at}
                  segment={segment}
                  ref={at === target ? cited : null}
                />
              ))}
            </p>
            {passage.hasMoreAfter ? <MoreButton onClick={() => setAround((chars) => chars + 2 * CONTEXT_STEP)} /> : null}
          </>
        )}
      </div>
    </>
  );
}

function PassagePart({ segment, ref }: { segment: Segment; ref: React.Ref<HTMLElement> }) {
  if (segment.kind === "cited") {
    return (
      <mark ref={ref} className="rounded-xs bg-mark box-decoration-clone px-0.5 text-ink">
        {segment.text}
      </mark>
    );
  }
  return (
    <span ref={ref} className={segment.kind === "context" ? "text-ink-faint" : "text-ink"}>
      {segment.text}
    </span>
  );
}

function MoreButton({ onClick }: { onClick: () => void }) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="my-2 w-full rounded-lg border border-dashed border-line py-1 text-xs text-ink-faint hover:bg-hover hover:text-ink"
    >
      Show more of the document
    </button>
  );
}

function placeOf(source: Source): string {
  const parts = [source.page === null ? null : `Page ${source.page}`, source.collection];
  return parts.filter(Boolean).join(" · ");
}
