import { Binary, Layers, Dot, Filter, type LucideIcon, Search, Sparkles, Wrench } from "lucide-react";
import type { Observation } from "@/lib/api";

type KindLook = { label: string; Icon: LucideIcon; bar: string };

/** Name, sign and bar colour of each kind of observation. The sign and the name carry the meaning; the colour only helps. */
export const KINDS: Record<Observation["kind"], KindLook> = {
  generation: { label: "Generation", Icon: Sparkles, bar: "bg-[var(--bar-generation)]" },
  retriever: { label: "Retriever", Icon: Search, bar: "bg-[var(--bar-retriever)]" },
  embedding: { label: "Embedding", Icon: Binary, bar: "bg-[var(--bar-embedding)]" },
  tool: { label: "Tool", Icon: Wrench, bar: "bg-[var(--bar-tool)]" },
  filter: { label: "Filter", Icon: Filter, bar: "bg-[var(--bar-filter)]" },
  event: { label: "Event", Icon: Dot, bar: "bg-[var(--bar-span)]" },
  span: { label: "Span", Icon: Layers, bar: "bg-[var(--bar-span)]" },
};
