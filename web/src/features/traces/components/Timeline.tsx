import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronRight } from "lucide-react";
import { type KeyboardEvent, memo, useEffect, useId, useRef } from "react";
import { axisTicks, type Layout, type Row } from "../model/layout";
import { durationText } from "../model/figures";
import { KINDS } from "../model/kinds";

const ROW_HEIGHT = 34;
const HEAD_AND_BORDER = 36;
const COLUMNS = "grid-cols-[minmax(0,1fr)_minmax(0,0.7fr)] sm:grid-cols-[minmax(0,1fr)_4.25rem_minmax(0,1fr)]";

type TimelineProps = {
  layout: Layout;
  selectedId: string;
  onSelect: (id: string) => void;
  onToggle: (id: string, isOpen: boolean) => void;
};

/** How tall the timeline is when every row is seen. */
export function timelineHeight(layout: Layout): number {
  return layout.rows.length * ROW_HEIGHT + HEAD_AND_BORDER;
}

/**
 * The observations as a tree beside a waterfall. One tab stop: arrows move, left and right close and open, Home and End jump.
 * Only the rows in view are drawn, so ten thousand are as light as ten.
 */
export function Timeline({ layout, selectedId, onSelect, onToggle }: TimelineProps) {
  const { rows, totalMs } = layout;
  const scroller = useRef<HTMLDivElement>(null);
  const treeId = useId();
  const selected = rows.findIndex((row) => row.observation.id === selectedId);
  // oxlint-disable-next-line react/incompatible-library -- the page is built without the React compiler
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    getItemKey: (index) => rows[index]?.observation.id ?? index,
    // The row a screen reader is told of must exist even when it is scrolled away.
    rangeExtractor: (range) => {
      const shown: number[] = [];
      const last = Math.min(range.endIndex + range.overscan, rows.length - 1);
      for (let index = Math.max(0, range.startIndex - range.overscan); index <= last; index += 1) shown.push(index);
      return selected < 0 || shown.includes(selected) ? shown : [...shown, selected].sort((one, other) => one - other);
    },
  });

  useEffect(() => {
    if (selected >= 0) list.scrollToIndex(selected, { align: "auto" });
  }, [selected, list]);

  const move = (index: number) => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (row) onSelect(row.observation.id);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[selected];
    const steps: Record<string, () => void> = {
      ArrowDown: () => move(selected + 1),
      ArrowUp: () => move(selected - 1),
      PageDown: () => move(selected + 10),
      PageUp: () => move(selected - 10),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      ArrowRight: () => {
        if (row?.hasChildren && !row.isOpen) onToggle(row.observation.id, true);
        else if (row?.hasChildren) move(selected + 1);
      },
      ArrowLeft: () => {
        if (row?.hasChildren && row.isOpen) onToggle(row.observation.id, false);
        else if (row?.observation.parent_id) onSelect(row.observation.parent_id);
      },
    };
    const step = steps[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step();
  };

  return (
    <div className="trace-colours flex min-h-0 flex-1 flex-col overflow-hidden rounded-xl border border-line bg-raised">
      <Axis totalMs={totalMs} />
      <div
        ref={scroller}
        role="tree"
        aria-label="Observations"
        tabIndex={0}
        aria-activedescendant={selected >= 0 ? rowId(treeId, rows[selected]) : undefined}
        onKeyDown={onKeyDown}
        className="min-h-0 flex-1 overflow-y-auto rounded-b-xl focus-visible:-outline-offset-2"
      >
        <div role="none" className="relative" style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return row ? (
              <div key={item.key} role="none" className="absolute inset-x-0 top-0" style={{ height: item.size, transform: `translateY(${item.start}px)` }}>
                <TimelineRow
                  id={rowId(treeId, row) ?? ""}
                  row={row}
                  totalMs={totalMs}
                  isSelected={item.index === selected}
                  onSelect={onSelect}
                  onToggle={onToggle}
                />
              </div>
            ) : null;
          })}
        </div>
      </div>
    </div>
  );
}

function rowId(treeId: string, row: Row | undefined): string | undefined {
  return row ? `${treeId}-${row.observation.id}` : undefined;
}

function Axis({ totalMs }: { totalMs: number }) {
  return (
    <div className={`grid shrink-0 border-b border-line text-xs text-ink-faint ${COLUMNS}`} aria-hidden>
      <span className="px-3 py-2 font-medium">Observation</span>
      <span className="hidden py-2 pr-3 text-right font-medium sm:block">Took</span>
      <span className="relative mr-3 overflow-hidden">
        {axisTicks(totalMs, 4).map((at, index) => (
          <span
            key={at}
            className="absolute inset-y-0 flex items-center border-l border-line pl-1 whitespace-nowrap tabular-nums"
            style={{ left: `${(at / totalMs) * 100}%` }}
          >
            {/* A phone has room for every other label; the lines stay. */}
            <span className={index % 2 === 1 ? "hidden sm:inline" : ""}>{at === 0 ? "0" : durationText(at)}</span>
          </span>
        ))}
      </span>
    </div>
  );
}

type TimelineRowProps = {
  id: string;
  row: Row;
  totalMs: number;
  isSelected: boolean;
  onSelect: (id: string) => void;
  onToggle: (id: string, isOpen: boolean) => void;
};

const TimelineRow = memo(function TimelineRow({ id, row, totalMs, isSelected, onSelect, onToggle }: TimelineRowProps) {
  const { observation, depth, hasChildren, isOpen } = row;
  const { Icon, label } = KINDS[observation.kind];
  const failed = observation.level === "error" ? "failed" : observation.level === "warning" ? "with a warning" : "";
  return (
    // The keys are handled by the tree, which has the focus.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      id={id}
      role="treeitem"
      aria-level={depth + 1}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-selected={isSelected}
      aria-expanded={hasChildren ? isOpen : undefined}
      onClick={() => onSelect(observation.id)}
      className={`grid h-full cursor-pointer items-center text-sm ${COLUMNS} ${isSelected ? "bg-accent-soft" : "hover:bg-hover/60"}`}
    >
      <span className="flex min-w-0 items-center gap-1.5 pr-2" style={{ paddingLeft: 8 + Math.min(depth, 12) * 14 }}>
        <button
          type="button"
          tabIndex={-1}
          aria-hidden
          className={`grid size-5 shrink-0 place-items-center rounded text-ink-faint hover:bg-hover ${hasChildren ? "" : "invisible"}`}
          onClick={(event) => {
            event.stopPropagation();
            onToggle(observation.id, !isOpen);
          }}
        >
          {isOpen ? <ChevronDown size={14} /> : <ChevronRight size={14} />}
        </button>
        <Icon size={14} className={`shrink-0 ${observation.level === "error" ? "text-danger" : "text-ink-faint"}`} aria-hidden />
        <span className="visually-hidden">{label}</span>
        <span className={`truncate ${observation.level === "error" ? "text-danger" : ""} ${isSelected ? "font-medium" : ""}`}>
          {observation.name}
        </span>
        {failed ? <span className="visually-hidden">{failed}</span> : null}
      </span>
      <span className="hidden pr-3 text-right text-xs text-ink-soft tabular-nums sm:block">{durationText(row.durationMs)}</span>
      <Bar row={row} totalMs={totalMs} />
    </div>
  );
});

function Bar({ row, totalMs }: { row: Row; totalMs: number }) {
  const { observation, startMs, durationMs } = row;
  const left = (startMs / totalMs) * 100;
  const width = Math.min((durationMs / totalMs) * 100, 100 - left);
  const firstToken = observation.time_to_first_token_ms;
  const colour = observation.level === "error" ? "bg-danger" : KINDS[observation.kind].bar;
  return (
    <span className="relative mr-3 h-full overflow-hidden" aria-hidden>
      <span className={`absolute top-1/2 h-3 -translate-y-1/2 rounded-[3px] ${colour}`} style={{ left: `min(${left}%, 100% - 3px)`, width: `max(3px, ${width}%)` }}>
        {firstToken !== null && durationMs > 0 ? (
          <span
            className="absolute -inset-y-1 w-0.5 rounded-full bg-ink"
            title={`first token after ${durationText(firstToken)}`}
            style={{ left: `${Math.min(100, (firstToken / durationMs) * 100)}%` }}
          />
        ) : null}
      </span>
    </span>
  );
}
