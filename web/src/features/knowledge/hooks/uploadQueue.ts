/**
 * Sends files two at a time. The queue lives in the query cache, not in a component: leaving the page keeps it going, and coming
 * back shows where it is.
 */
import type { QueryClient } from "@tanstack/react-query";
import { ApiProblem, collectionUploadUrl, messageOf, uploadFile } from "@/lib/api";
import { knowsDocument, showDocument } from "../api/documentCache";
import { knowledgeKeys } from "../api/keys";
import { refusalOf } from "../model/fileRules";

export type Upload = {
  id: string;
  file: File;
  state: "waiting" | "sending" | "failed" | "refused" | "known";
  /** Share of the file that has left the browser, 0 to 1. */
  share: number;
  /** Why it failed or was refused. */
  reason: string | null;
  attempts: number;
  abort: (() => void) | null;
};

const AT_ONCE = 2;
const MOST_ATTEMPTS = 4;
const PAUSE_MS = 1500;

let made = 0;

export function readUploads(client: QueryClient, collectionId: string): Upload[] {
  return client.getQueryData<Upload[]>(knowledgeKeys.uploads(collectionId)) ?? [];
}

/** Takes files in: what cannot be read is refused at once with its reason, the rest is sent. */
export function addFiles(client: QueryClient, collectionId: string, files: readonly File[]): void {
  const added = files.map((file): Upload => {
    const reason = refusalOf(file);
    made += 1;
    return { id: `upload-${made}`, file, state: reason ? "refused" : "waiting", share: 0, reason, attempts: 0, abort: null };
  });
  write(client, collectionId, (uploads) => [...uploads, ...added]);
  pump(client, collectionId);
}

/** Takes an upload off the list; one on its way is cancelled. */
export function dismissUpload(client: QueryClient, collectionId: string, id: string): void {
  const upload = readUploads(client, collectionId).find((item) => item.id === id);
  write(client, collectionId, (uploads) => uploads.filter((item) => item.id !== id));
  upload?.abort?.();
}

export function retryUpload(client: QueryClient, collectionId: string, id: string): void {
  change(client, collectionId, id, { state: "waiting", share: 0, reason: null, attempts: 0 });
  pump(client, collectionId);
}

function pump(client: QueryClient, collectionId: string): void {
  const uploads = readUploads(client, collectionId);
  const free = AT_ONCE - uploads.filter((upload) => upload.state === "sending").length;
  const next = uploads.filter((upload) => upload.state === "waiting").slice(0, Math.max(0, free));
  for (const upload of next) void send(client, collectionId, upload);
}

async function send(client: QueryClient, collectionId: string, upload: Upload): Promise<void> {
  const control = new AbortController();
  const attempts = upload.attempts + 1;
  change(client, collectionId, upload.id, { state: "sending", share: 0, attempts, abort: () => control.abort() });
  try {
    const document = await uploadFile(collectionUploadUrl(collectionId), upload.file, {
      signal: control.signal,
      onProgress: (share) => change(client, collectionId, upload.id, { share }),
    });
    if (knowsDocument(client, collectionId, document.id)) {
      const reason = `The same content is already here as “${document.name}”.`;
      change(client, collectionId, upload.id, { state: "known", reason, abort: null });
    } else {
      dismissUpload(client, collectionId, upload.id);
    }
    showDocument(client, document);
    void client.invalidateQueries({ queryKey: knowledgeKeys.documents(collectionId) });
    void client.invalidateQueries({ queryKey: knowledgeKeys.collections() });
  } catch (error) {
    if (isBusy(error) && attempts < MOST_ATTEMPTS) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempts));
      change(client, collectionId, upload.id, { state: "waiting", share: 0, abort: null });
    } else {
      change(client, collectionId, upload.id, { state: isFinal(error) ? "refused" : "failed", reason: messageOf(error), abort: null });
    }
  }
  pump(client, collectionId);
}

/** The server takes no more files just now and says so; asking again later is right. */
function isBusy(error: unknown): boolean {
  return error instanceof ApiProblem && (error.status === 429 || error.status === 503);
}

/** The file itself is what the server refuses: sending it again changes nothing. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiProblem && [400, 413, 415, 422].includes(error.status);
}

function change(client: QueryClient, collectionId: string, id: string, part: Partial<Upload>): void {
  write(client, collectionId, (uploads) => uploads.map((item) => (item.id === id ? { ...item, ...part } : item)));
}

function write(client: QueryClient, collectionId: string, next: (uploads: Upload[]) => Upload[]): void {
  client.setQueryData<Upload[]>(knowledgeKeys.uploads(collectionId), (uploads) => next(uploads ?? []));
}
