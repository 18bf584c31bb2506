import type { LocalModel, RunningModel } from "@/lib/api";
import { plural } from "@/lib/format";

type State = RunningModel["state"];
type Look = { label: string; color: "pine" | "gray" | "yellow" | "red" };

export const STATES: Record<State, Look> = {
  unloaded: { label: "not loaded", color: "gray" },
  loading: { label: "loading", color: "yellow" },
  loaded: { label: "loaded", color: "pine" },
  sleeping: { label: "sleeping", color: "gray" },
  failed: { label: "failed", color: "red" },
};

const CAPABILITIES: Record<LocalModel["capabilities"][number], string> = {
  completion: "chat",
  tools: "tools",
  insert: "fill in",
  vision: "images",
  audio: "audio",
  embedding: "embedding",
  thinking: "thinking",
  rerank: "reranking",
};

export function capabilityText(capability: LocalModel["capabilities"][number]): string {
  return CAPABILITIES[capability];
}

/** Whether it can be asked something; others embed or rank. */
export function chats(model: LocalModel): boolean {
  return model.capabilities.includes("completion");
}

/** "llama · 1.2B · Q8_0", of what is known. */
export function kindText({ family, parameter_size, quantization }: Pick<LocalModel, "family" | "parameter_size" | "quantization">): string {
  return [family, parameter_size, quantization].filter((part) => part !== "" && part !== "unknown").join(" · ");
}

/** "2 of 4 slots at work, 3 wait". */
export function workText({ active, slots, queued }: RunningModel): string {
  const waiting = queued > 0 ? `, ${plural(queued, "waits", "wait")}` : "";
  return `${active} of ${plural(slots, "slot")} at work${waiting}`;
}

/** How long it stays: "unloads in 4 minutes". */
export function stayText(model: RunningModel, until: (at: string) => string): string {
  if (model.state !== "loaded" && model.state !== "sleeping") return "";
  if (model.is_pinned) return "stays: pinned";
  if (model.expires_at !== null) return `unloads ${until(model.expires_at)}`;
  if (model.active > 0 || model.queued > 0) return "at work";
  return model.keep_alive_s === null ? "stays for ever" : "";
}
