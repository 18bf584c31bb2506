import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Eraser } from "lucide-react";
import type { CacheState } from "@/lib/api";
import { formatBytes, formatCount, plural } from "@/lib/format";
import { ErrorNotice, Loading } from "@/ui";
import { type Figure, Figures, shareText } from "@/ui/Figures";
import { Panel } from "@/ui/Panel";
import { useCacheState } from "../api/useCacheState";
import { CachePoliciesPanel } from "./CachePoliciesPanel";
import { ClearCacheDialog } from "./ClearCacheDialog";

/** Answers that are kept for the next time: how many, how useful, which. */
export function CacheSection() {
  const [isClearing, clearing] = useDisclosure(false);
  const query = useCacheState();
  const state = query.data;
  return (
    <>
      <Panel
        title="Answer cache"
        description={state ? <Standing state={state} /> : "Answers that are given again, at once and for nothing."}
        actions={
          <Button variant="default" leftSection={<Eraser size={16} aria-hidden />} disabled={!state} onClick={clearing.open}>
            Empty the cache
          </Button>
        }
      >
        {query.isPending ? <Loading label="Loading the state of the cache" /> : null}
        {query.isError ? (
          <div className="mb-4 last:mb-0">
            <ErrorNotice error={query.error} title="The state of the cache could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : null}
        {state ? <Figures label="The cache in numbers" figures={figuresOf(state)} className="sm:grid-cols-4" /> : null}
      </Panel>
      <CachePoliciesPanel rules={state?.rules} />
      <ClearCacheDialog opened={isClearing} onClose={clearing.close} />
    </>
  );
}

const PLACES: Record<CacheState["place"], string> = {
  memory: "Kept in the memory of this process: gone when it ends.",
  valkey: "Kept on the Valkey server, together with every other process.",
};

function Standing({ state }: { state: CacheState }) {
  return (
    <>
      <p>Answers that are given again, at once and for nothing. {PLACES[state.place]}</p>
      {state.entries === null ? (
        <p role="alert" className="mt-2 rounded-lg border border-warn-line bg-warn-soft px-3 py-2 text-ink">
          The store does not answer. Requests go on without it; look after the server that keeps the answers.
        </p>
      ) : null}
    </>
  );
}

function figuresOf(state: CacheState): Figure[] {
  const { entries, size_bytes: size, max_bytes: most, hits, semantic_hits: alike, misses, failures } = state;
  const found = hits + alike;
  const asked = found + misses;
  return [
    {
      name: "Answers kept",
      value: entries === null ? "–" : formatCount(entries),
      note: `of ${formatCount(state.max_entries)} at most`,
    },
    {
      name: "Memory",
      value: size === null ? "–" : formatBytes(size),
      note: most === null ? "the server has its own limit" : `of ${formatBytes(most)} at most`,
    },
    {
      name: "Found",
      value: asked === 0 ? "–" : shareText(found, asked),
      note: asked === 0 ? "not asked since the start" : `${formatCount(found)} of ${plural(asked, "request")}${alike > 0 ? `, ${formatCount(alike)} by meaning` : ""}`,
    },
    {
      name: "Store failed",
      value: formatCount(failures),
      note: failures === 0 ? "since the start" : "requests went on without it",
      isBad: failures > 0,
    },
  ];
}
