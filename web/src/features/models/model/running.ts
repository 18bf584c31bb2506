import type { RunningList, RunningModel, ServerEvent } from "@/lib/api";

/** What the server tells of the models that run. */
export type RunningEvent = { type: "snapshot" | "change"; list: RunningList };

export type Running = {
  /** By name; also those unloaded while the page was open, which keep their reason. */
  models: ReadonlyMap<string, RunningModel>;
  memory: RunningList["memory"] | null;
  /** Whether the stream is open: what is shown is what is. */
  isLive: boolean;
};

export type RunningAction = RunningEvent | { type: "connection"; isOpen: boolean };

export const NOTHING_RUNS: Running = { models: new Map(), memory: null, isLive: false };

/** Reads an event of the wire; null for one this page does not know or cannot read, which is then skipped. */
export function parseRunningEvent({ name, data }: ServerEvent): RunningEvent | null {
  if (name !== "snapshot" && name !== "change") return null;
  try {
    const list: unknown = JSON.parse(data);
    return isList(list) ? { type: name, list } : null;
  } catch {
    return null;
  }
}

export function reduceRunning(running: Running, action: RunningAction): Running {
  if (action.type === "connection") {
    return running.isLive === action.isOpen ? running : { ...running, isLive: action.isOpen };
  }
  const models = new Map(running.models);
  const told = new Set(action.list.items.map((item) => item.model));
  if (action.type === "snapshot") {
    for (const [name, model] of models) if (!told.has(name)) models.set(name, unloaded(model));
  }
  for (const item of action.list.items) models.set(item.model, item);
  return { models, memory: action.list.memory, isLive: true };
}

/** The end of a model that was missed, or was told: only the second says why. */
function unloaded(model: RunningModel): RunningModel {
  if (model.state === "unloaded" && !model.is_pinned) return model;
  return {
    ...model,
    state: "unloaded",
    reason: "",
    size_bytes: 0,
    vram_bytes: 0,
    active: 0,
    queued: 0,
    expires_at: null,
    is_pinned: false,
    stderr: [],
  };
}

/** Those that take memory, are wanted, or have failed, by name. */
export function atWork(running: Running): RunningModel[] {
  return [...running.models.values()]
    .filter((model) => model.state !== "unloaded" || model.queued > 0)
    .toSorted((a, b) => a.model.localeCompare(b.model));
}

function isList(value: unknown): value is RunningList {
  return typeof value === "object" && value !== null && "items" in value && Array.isArray(value.items) && "memory" in value;
}
