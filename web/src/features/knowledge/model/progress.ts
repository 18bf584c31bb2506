import type { Document } from "@/lib/api";

const STAGES: Record<Document["stage"], string> = {
  waiting: "Waiting its turn",
  parsing: "Reading the file",
  chunking: "Cutting into passages",
  embedding: "Embedding passages",
  indexing: "Adding to the index",
  done: "Ready",
};

/** What the server does with a document now, in words. */
export function stageLabel(document: Document): string {
  return document.status === "queued" ? STAGES.waiting : STAGES[document.stage];
}

/** Progress as a whole percentage. */
export function percentOf(share: number): number {
  return Math.round(Math.min(1, Math.max(0, share)) * 100);
}
