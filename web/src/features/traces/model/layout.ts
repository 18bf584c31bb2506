import type { Observation } from "@/lib/api";

/** One line of the timeline. Times are in milliseconds after the start of the trace. */
export type Row = {
  observation: Observation;
  depth: number;
  hasChildren: boolean;
  isOpen: boolean;
  /** Place among its siblings, from 1, and how many they are. */
  position: number;
  siblings: number;
  startMs: number;
  durationMs: number;
};

export type Layout = { rows: Row[]; totalMs: number };

type Branch = { observation: Observation; startMs: number; children: Branch[] };

/**
 * Orders observations as a tree, children by start time, leaving out what lies under a closed one.
 *
 * An observation whose parent is missing (not yet sent, or never) stands at the top, as do the members of a cycle.
 */
export function layoutObservations(observations: readonly Observation[], traceStart: string, closed: ReadonlySet<string>): Layout {
  const origin = originOf(observations, traceStart);
  const roots = treeOf(observations, origin);
  const rows: Row[] = [];
  let totalMs = 0;
  for (const observation of observations) {
    totalMs = Math.max(totalMs, Date.parse(observation.started_at) - origin + (observation.latency_ms ?? 0));
  }

  // Explicit stack: a trace may be deeper than the call stack.
  const stack = entriesOf(roots, 0);
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const { node, depth, position, siblings } = entry;
    const isOpen = !closed.has(node.observation.id);
    rows.push({
      observation: node.observation,
      depth,
      hasChildren: node.children.length > 0,
      isOpen,
      position,
      siblings,
      startMs: node.startMs,
      durationMs: node.observation.latency_ms ?? 0,
    });
    if (isOpen) stack.push(...entriesOf(node.children, depth + 1));
  }
  return { rows, totalMs: Math.max(totalMs, 1) };
}

/** Round times for the axis, from 0 to where a label still fits, about `most` of them. */
export function axisTicks(totalMs: number, most: number): number[] {
  const rough = totalMs / most;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 0.001)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  const ticks: number[] = [];
  for (let at = 0; at <= totalMs * 0.86; at += step) ticks.push(at);
  return ticks;
}

type Entry = { node: Branch; depth: number; position: number; siblings: number };

/** In reverse, because they go on a stack. */
function entriesOf(nodes: readonly Branch[], depth: number): Entry[] {
  return nodes.map((node, index) => ({ node, depth, position: index + 1, siblings: nodes.length })).toReversed();
}

function originOf(observations: readonly Observation[], traceStart: string): number {
  let origin = Date.parse(traceStart);
  for (const observation of observations) origin = Math.min(origin, Date.parse(observation.started_at));
  return origin;
}

function treeOf(observations: readonly Observation[], origin: number): Branch[] {
  const nodes = new Map<string, Branch>();
  for (const observation of observations) {
    nodes.set(observation.id, { observation, startMs: Date.parse(observation.started_at) - origin, children: [] });
  }
  const roots: Branch[] = [];
  for (const node of nodes.values()) {
    const parent = parentOf(node, nodes);
    if (parent === null || isInCycle(node, nodes)) roots.push(node);
    else parent.children.push(node);
  }
  const byStart = (one: Branch, other: Branch) => one.startMs - other.startMs;
  for (const node of nodes.values()) node.children.sort(byStart);
  return roots.sort(byStart);
}

function parentOf(node: Branch, nodes: ReadonlyMap<string, Branch>): Branch | null {
  const { parent_id: parentId } = node.observation;
  return parentId === null ? null : (nodes.get(parentId) ?? null);
}

function isInCycle(node: Branch, nodes: ReadonlyMap<string, Branch>): boolean {
  // A cycle is short or it is none: what is deeper than this is treated as a tree.
  let above = parentOf(node, nodes);
  for (let steps = 0; above !== null && steps < 64; steps += 1) {
    if (above === node) return true;
    above = parentOf(above, nodes);
  }
  return false;
}
