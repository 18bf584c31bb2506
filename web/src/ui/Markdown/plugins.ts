import { useSyncExternalStore } from "react";
import type { DiagramPlugin, MathPlugin, PluginConfig } from "streamdown";
import { createCodePlugin } from "./codePlugin";

/** Formulas and diagrams cost hundreds of kilobytes, so their code is fetched when the first text needs it. */
let math: MathPlugin | null = null;
let mermaid: DiagramPlugin | null = null;
const started = new Set<"math" | "mermaid">();
const listeners = new Set<() => void>();
const code = createCodePlugin();
let config: PluginConfig = { code };

const MATH = /\$|\\\(|\\\[/;
const DIAGRAM = /^[ \t]*(```|~~~)mermaid/m;

/** Streamdown's plug-ins for a text; the object changes only when a plug-in arrives. */
export function usePlugins(text: string): PluginConfig {
  if (MATH.test(text)) start("math");
  if (DIAGRAM.test(text)) start("mermaid");
  return useSyncExternalStore(subscribe, snapshot, snapshot);
}

function snapshot(): PluginConfig {
  return config;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function start(part: "math" | "mermaid"): void {
  if (started.has(part)) return;
  started.add(part);
  load(part).then(
    () => {
      config = { code, ...(math ? { math } : {}), ...(mermaid ? { mermaid } : {}) };
      for (const listener of listeners) listener();
    },
    (error: unknown) => {
      started.delete(part);
      console.warn(`${part} stays plain: its code could not be loaded`, error);
    },
  );
}

async function load(part: "math" | "mermaid"): Promise<void> {
  if (part === "math") {
    math = (await import("./mathPlugin")).mathPlugin;
  } else {
    mermaid = (await import("./mermaidPlugin")).mermaidPlugin;
  }
}
