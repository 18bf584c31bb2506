import { describe, expect, it, vi } from "vitest";
import type { Document } from "@/lib/api";
import { UploadStore, type UploadPorts } from "./uploads";

function documentOf(part: Partial<Document>): Document {
  return {
    id: "d1",
    collection_id: "k1",
    name: "report.pdf",
    media_type: "application/pdf",
    size_bytes: 10,
    status: "queued",
    stage: "waiting",
    progress: 0,
    error: null,
    page_count: null,
    chunk_count: 0,
    character_count: 0,
    sha256: "",
    warnings: [],
    created_at: "",
    updated_at: "",
    ...part,
  };
}

function storeWith(ports: Partial<UploadPorts>) {
  const all: UploadPorts = {
    upload: () => Promise.resolve(documentOf({})),
    get: () => Promise.resolve(documentOf({ status: "ready", stage: "done" })),
    retry: () => Promise.resolve(documentOf({})),
    remove: vi.fn(() => Promise.resolve()),
    pollMs: 1,
    ...ports,
  };
  return { store: new UploadStore(all), ports: all };
}

const PDF = new File(["%PDF"], "report.pdf", { type: "application/pdf" });
const settled = (store: UploadStore) => store.whenSettled("c1", new AbortController().signal);

describe("UploadStore", () => {
  it("uploads a file and waits until it has been read", async () => {
    const steps = [documentOf({ status: "processing", stage: "embedding", progress: 0.5 }), documentOf({ status: "ready" })];
    const { store } = storeWith({ get: () => Promise.resolve(steps.shift() ?? documentOf({ status: "ready" })) });
    const seen: string[] = [];
    store.subscribe(() => seen.push(`${store.list("c1")[0]?.status} ${store.list("c1")[0]?.activity}`));
    store.add("c1", [PDF]);
    expect(await settled(store)).toMatchObject([{ status: "ready", documentId: "d1", error: null }]);
    expect(seen).toContain("processing Indexing");
  });

  it("says why a file could not be read, and reads it again when asked", async () => {
    const failed = documentOf({ status: "failed", error: { code: "encrypted", detail: "This PDF needs a password." } });
    let result = failed;
    const { store } = storeWith({ get: () => Promise.resolve(result) });
    store.add("c1", [PDF]);
    const [attachment] = await settled(store);
    expect(attachment).toMatchObject({ status: "failed", error: "This PDF needs a password.", canRetry: true });
    result = documentOf({ status: "ready" });
    store.retry("c1", attachment?.id ?? "");
    expect(await settled(store)).toMatchObject([{ status: "ready", error: null }]);
  });

  it("refuses what Alcove cannot read without sending it", async () => {
    const upload = vi.fn(() => Promise.resolve(documentOf({})));
    const { store } = storeWith({ upload });
    store.add("c1", [new File(["x"], "movie.mp4", { type: "video/mp4" }), new File([], "empty.txt")]);
    expect((await settled(store)).map((each) => each.error)).toEqual([
      "Alcove reads PDF, Word (.docx), HTML, Markdown and text files.",
      "This file is empty.",
    ]);
    expect(upload).not.toHaveBeenCalled();
  });

  it("keeps a failed upload as a failed file", async () => {
    const { store } = storeWith({ upload: () => Promise.reject(new Error("This file is too large")) });
    store.add("c1", [PDF]);
    expect(await settled(store)).toMatchObject([{ status: "failed", error: "This file is too large", documentId: null }]);
  });

  it("deletes what has arrived of a file that is taken off", async () => {
    const { store, ports } = storeWith({});
    store.add("c1", [PDF]);
    const [attachment] = await settled(store);
    store.remove("c1", attachment?.id ?? "");
    expect(store.list("c1")).toEqual([]);
    expect(ports.remove).toHaveBeenCalledWith("d1");
  });

  it("keeps the files of each chat apart, and its list steady", async () => {
    const { store } = storeWith({});
    store.add("c1", [PDF]);
    await settled(store);
    expect(store.list("c2")).toEqual([]);
    expect(store.list("c1")).toBe(store.list("c1"));
    store.clear("c1");
    expect(store.list("c1")).toEqual([]);
  });
});
