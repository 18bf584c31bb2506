import { CSRF_HEADER } from "./client";
import { problemFromText, unreachable } from "./problem";
import { getCsrfToken, notifySignedOut } from "./session";
import type { Document } from "./types";

export type UploadOptions = {
  /** Called with the share of the file that has left the browser, 0 to 1. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
};

/** Sends one file (multipart field `file`). XMLHttpRequest, because fetch cannot tell how much of the file is sent. */
export function uploadFile(url: string, file: File, options: UploadOptions = {}): Promise<Document> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("accept", "application/json");
    const token = getCsrfToken();
    if (token !== null) request.setRequestHeader(CSRF_HEADER, token);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable && event.total > 0) options.onProgress?.(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(JSON.parse(request.responseText) as Document);
        return;
      }
      const problem = problemFromText(request.status, request.responseText);
      if (problem.status === 401) notifySignedOut();
      reject(problem);
    });
    request.addEventListener("error", () => reject(unreachable(null)));
    request.addEventListener("abort", () => reject(new DOMException("The upload was cancelled.", "AbortError")));
    options.signal?.addEventListener("abort", () => request.abort(), { once: true });
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}

/** Where a document of a collection is sent to. */
export function collectionUploadUrl(collectionId: string): string {
  return `/api/v1/knowledge/collections/${encodeURIComponent(collectionId)}/documents`;
}

/** Where a file of one chat is sent to. */
export function chatUploadUrl(chatId: string): string {
  return `/api/v1/chats/${encodeURIComponent(chatId)}/documents`;
}

/** Where the original file of a document is downloaded from. */
export function documentFileUrl(documentId: string): string {
  return `/api/v1/knowledge/documents/${encodeURIComponent(documentId)}/file`;
}
