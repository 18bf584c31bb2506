import { Button } from "@mantine/core";
import { type SyntheticEvent, useState } from "react";
import { CopyButton } from "./CopyButton";

const FIRST_ITEMS = 100;
const LONG_TEXT = 2000;
const OPEN_DEPTH = 2;

/** Any JSON value as a tree that opens and closes, with a button that copies it whole. Closed parts are not drawn. */
export function JsonView({ value, label }: { value: unknown; label: string }) {
  return (
    <div className="relative rounded-lg border border-line bg-sunken">
      {/* a scrolling box must be reachable by keyboard */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="max-h-[32rem] overflow-auto rounded-lg p-3 pr-11 font-mono text-[0.8rem] leading-6" tabIndex={0} role="group" aria-label={label}>
        <JsonNode value={value} depth={0} />
      </div>
      <div className="absolute top-1.5 right-1.5 rounded-md bg-sunken">
        <CopyButton value={JSON.stringify(value, null, 2) ?? ""} label={`Copy ${label} as JSON`} />
      </div>
    </div>
  );
}

type JsonNodeProps = { name?: string; value: unknown; depth: number };

function JsonNode({ name, value, depth }: JsonNodeProps) {
  if (typeof value === "object" && value !== null) {
    return <Branch {...(name === undefined ? {} : { name })} value={value} depth={depth} />;
  }
  return (
    <div className="break-words">
      <Name name={name} />
      <Leaf value={value} />
    </div>
  );
}

function Branch({ name, value, depth }: JsonNodeProps & { value: object }) {
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH);
  const [limit, setLimit] = useState(FIRST_ITEMS);
  const isArray = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isArray ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div>
        <Name name={name} />
        <span className="text-ink-faint">{`${open}${close}`}</span>
      </div>
    );
  }
  const size = `${entries.length} ${isArray ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "field" : "fields"}`;
  return (
    <details open={isOpen} onToggle={(event: SyntheticEvent<HTMLDetailsElement>) => setOpen(event.currentTarget.open)}>
      <summary className="cursor-pointer rounded-sm marker:text-ink-faint">
        <Name name={name} />
        <span className="text-ink-faint">
          {open}
          {isOpen ? "" : ` ${size} ${close}`}
        </span>
      </summary>
      {isOpen ? (
        <div className="ml-1.5 border-l border-line pl-3.5">
          {entries.slice(0, limit).map(([key, item]) => (
            <JsonNode key={key} name={key} value={item} depth={depth + 1} />
          ))}
          {entries.length > limit ? (
            <Button size="compact-xs" variant="default" my={4} onClick={() => setLimit(limit * 10)}>
              Show more of {entries.length}
            </Button>
          ) : null}
        </div>
      ) : null}
      {isOpen ? <span className="text-ink-faint">{close}</span> : null}
    </details>
  );
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span className="text-ink-soft">{name}: </span>;
}

function Leaf({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <span className="text-warn">{String(value)}</span>;
  const isLong = value.length > LONG_TEXT && !isWhole;
  return (
    <>
      <span className="whitespace-pre-wrap text-accent-ink">{JSON.stringify(isLong ? value.slice(0, LONG_TEXT) : value)}</span>
      {isLong ? (
        <Button size="compact-xs" variant="default" mx={6} onClick={() => setWhole(true)}>
          Show all {value.length} characters
        </Button>
      ) : null}
    </>
  );
}
