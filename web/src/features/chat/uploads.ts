import { ApiProblem, canRetryFile, chatUploadUrl, type Document, messageOf, uploadFile, type UploadOptions } from "@/lib/api";
import { deleteDocument, getDocument, retryDocument } from "./api/documents";

/** A file on its way into a chat. */
export type Attachment = {
  id: string;
  name: string;
  sizeBytes: number;
  status: "uploading" | "processing" | "ready" | "failed";
  /** Share done of the current status, 0 to 1. */
  progress: number;
  /** What is being done, in words. */
  activity: string;
  documentId: string | null;
  error: string | null;
  /** False for a file that Alcove cannot read at all. */
  canRetry: boolean;
};

export type UploadPorts = {
  upload: (chatId: string, file: File, options: UploadOptions) => Promise<Document>;
  get: (documentId: string) => Promise<Document>;
  retry: (documentId: string) => Promise<Document>;
  remove: (documentId: string) => Promise<void>;
  pollMs: number;
};

const SERVER: UploadPorts = {
  upload: (chatId, file, options) => uploadFile(chatUploadUrl(chatId), file, options),
  get: getDocument,
  retry: retryDocument,
  remove: deleteDocument,
  pollMs: 600,
};

/** What the file dialog offers. */
export const ACCEPTED = ".pdf,.docx,.html,.htm,.md,.markdown,.txt";
const READABLE = /\.(pdf|docx|html?|xhtml|md|markdown|txt|text|log|csv|tsv|json|ya?ml|rst)$/i;
const STAGES: Record<Document["stage"], string> = {
  waiting: "Waiting",
  parsing: "Reading",
  chunking: "Splitting",
  embedding: "Indexing",
  indexing: "Indexing",
  done: "Ready",
};
const NONE: readonly Attachment[] = [];

type Slot = { attachment: Attachment; file: File; abort: AbortController };

/** The files attached to the next message of each chat. Kept outside the page, so leaving a chat stops no upload. */
export class UploadStore {
  readonly #ports: UploadPorts;
  readonly #slots = new Map<string, Slot[]>();
  readonly #views = new Map<string, readonly Attachment[]>();
  readonly #listeners = new Set<() => void>();

  constructor(ports: UploadPorts = SERVER) {
    this.#ports = ports;
  }

  /** The attachments of a chat; the same array until something changes. */
  list(chatId: string): readonly Attachment[] {
    return this.#views.get(chatId) ?? NONE;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(chatId: string, files: readonly File[]): void {
    for (const file of files) {
      const attachment: Attachment = {
        id: crypto.randomUUID?.() ?? String(Math.random()),
        name: file.name,
        sizeBytes: file.size,
        status: "uploading",
        progress: 0,
        activity: "Uploading",
        documentId: null,
        error: null,
        canRetry: true,
      };
      const slot: Slot = { attachment, file, abort: new AbortController() };
      this.#slots.set(chatId, [...(this.#slots.get(chatId) ?? []), slot]);
      const refusal = refusalOf(file);
      if (refusal === null) void this.#run(chatId, slot);
      else this.#patch(chatId, slot, { status: "failed", error: refusal, canRetry: false });
    }
    this.#publish(chatId);
  }

  /** Tries a failed file again: the upload if it never arrived, else reading it. */
  retry(chatId: string, attachmentId: string): void {
    const slot = this.#slots.get(chatId)?.find((each) => each.attachment.id === attachmentId);
    if (!slot || slot.attachment.status !== "failed") return;
    slot.abort = new AbortController();
    this.#patch(chatId, slot, { status: slot.attachment.documentId ? "processing" : "uploading", progress: 0, error: null });
    void this.#run(chatId, slot);
  }

  /** Takes a file off the message; what has arrived of it is deleted. */
  remove(chatId: string, attachmentId: string): void {
    const slot = this.#slots.get(chatId)?.find((each) => each.attachment.id === attachmentId);
    if (!slot) return;
    slot.abort.abort();
    this.#keep(chatId, (each) => each !== slot);
    const { documentId } = slot.attachment;
    if (documentId) this.#ports.remove(documentId).catch(() => undefined);
  }

  /** Forgets the attachments of a chat once they were sent. */
  clear(chatId: string): void {
    this.#keep(chatId, () => false);
  }

  /** Resolves once every attachment of a chat is ready or has failed. */
  async whenSettled(chatId: string, signal: AbortSignal): Promise<readonly Attachment[]> {
    while (!signal.aborted && this.list(chatId).some(isBusy)) {
      await new Promise<void>((resolve) => {
        const done = () => {
          stop();
          signal.removeEventListener("abort", done);
          resolve();
        };
        const stop = this.subscribe(done);
        signal.addEventListener("abort", done, { once: true });
      });
    }
    return this.list(chatId);
  }

  async #run(chatId: string, slot: Slot): Promise<void> {
    const { signal } = slot.abort;
    try {
      let document = await this.#begin(chatId, slot);
      while (document.status !== "ready" && document.status !== "failed") {
        this.#patch(chatId, slot, {
          status: "processing",
          documentId: document.id,
          progress: document.progress,
          activity: STAGES[document.stage],
        });
        await pause(this.#ports.pollMs, signal);
        if (signal.aborted) return;
        document = await this.#ports.get(document.id);
      }
      const isReady = document.status === "ready";
      this.#patch(chatId, slot, {
        status: isReady ? "ready" : "failed",
        documentId: document.id,
        progress: 1,
        activity: isReady ? "Ready" : "",
        error: isReady ? null : (document.error?.detail ?? "This file could not be read."),
        canRetry: canRetryFile(document.error?.code),
      });
    } catch (error) {
      if (signal.aborted) return;
      const canRetry = !(error instanceof ApiProblem) || canRetryFile(error.code);
      this.#patch(chatId, slot, { status: "failed", activity: "", error: messageOf(error), canRetry });
    }
  }

  #begin(chatId: string, slot: Slot): Promise<Document> {
    const { documentId } = slot.attachment;
    if (documentId) return this.#ports.retry(documentId);
    return this.#ports.upload(chatId, slot.file, {
      signal: slot.abort.signal,
      onProgress: (progress) => this.#patch(chatId, slot, { progress }),
    });
  }

  #patch(chatId: string, slot: Slot, change: Partial<Attachment>): void {
    slot.attachment = { ...slot.attachment, ...change };
    this.#publish(chatId);
  }

  #keep(chatId: string, wanted: (slot: Slot) => boolean): void {
    this.#slots.set(chatId, (this.#slots.get(chatId) ?? []).filter(wanted));
    this.#publish(chatId);
  }

  #publish(chatId: string): void {
    this.#views.set(chatId, (this.#slots.get(chatId) ?? []).map((slot) => slot.attachment));
    for (const listener of this.#listeners) listener();
  }
}

export function isBusy(attachment: Attachment): boolean {
  return attachment.status === "uploading" || attachment.status === "processing";
}

function refusalOf(file: File): string | null {
  if (file.size === 0) return "This file is empty.";
  if (READABLE.test(file.name) || file.type.startsWith("text/")) return null;
  return "Alcove reads PDF, Word (.docx), HTML, Markdown and text files.";
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
