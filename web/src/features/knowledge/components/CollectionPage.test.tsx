import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, expect, test } from "vitest";
import type { Document } from "@/lib/api";
import { page, refusal, someCollection, someDocument } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { CollectionPage } from "./CollectionPage";

const COLLECTION = "*/api/v1/knowledge/collections/col-1";
const DOCUMENTS = `${COLLECTION}/documents`;
const open = (search = "") => renderPage(<CollectionPage />, { path: `/knowledge/col-1${search}`, route: "/knowledge/$collectionId" });
const documentsAre = (...documents: Document[]) => server.use(http.get(DOCUMENTS, () => page(documents)));

beforeEach(() => server.use(http.get(COLLECTION, () => HttpResponse.json(someCollection()))));

test("shows each document with its state, its warnings and why it failed", async () => {
  documentsAre(
    someDocument({ warnings: ["Page 3 holds no text."] }),
    someDocument({ id: "doc-2", name: "big.pdf", status: "processing", stage: "embedding", progress: 0.62 }),
    someDocument({ id: "doc-3", name: "locked.pdf", status: "failed", error: { code: "encrypted", detail: "The file needs a password." } }),
  );
  open();
  const [ready, working, failed] = within(await screen.findByRole("list", { name: "Documents" })).getAllByRole("listitem");
  expect(ready).toHaveTextContent("12 pages · 40 passages");
  expect(ready).toHaveTextContent("Page 3 holds no text.");
  expect(working).toHaveTextContent("Embedding passages, 62 %");
  expect(failed).toHaveTextContent("The file needs a password.");
});

test("asks again only while a document is unfinished", async () => {
  let asked = 0;
  server.use(
    http.get(DOCUMENTS, () => {
      asked += 1;
      return page([someDocument(asked === 1 ? { status: "queued", stage: "waiting", progress: 0 } : {})]);
    }),
  );
  open();
  expect(await screen.findByText("Waiting its turn")).toBeVisible();
  expect(await screen.findByRole("button", { name: "handbook.pdf" }, { timeout: 4000 })).toBeVisible();
  const once = asked;
  await new Promise((resolve) => setTimeout(resolve, 1600));
  expect(asked).toBe(once);
});

test("has a failed document read again", async () => {
  let isRetried = false;
  documentsAre(someDocument({ status: "failed", error: { code: "parser", detail: "The file is cut short." } }));
  server.use(
    http.post("*/api/v1/knowledge/documents/doc-1/retry", () => {
      isRetried = true;
      return HttpResponse.json(someDocument({ status: "queued", stage: "waiting", progress: 0 }), { status: 202 });
    }),
  );
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Retry handbook.pdf" }));
  expect(await screen.findByText("Waiting its turn")).toBeVisible();
  expect(isRetried).toBe(true);
});

test("refuses a file of the wrong kind before sending it, and sends the right one", async () => {
  let sent = 0;
  documentsAre();
  server.use(
    http.post(DOCUMENTS, () => {
      sent += 1;
      documentsAre(someDocument({ id: "doc-7", name: "notes.md" }));
      return HttpResponse.json(someDocument({ id: "doc-7", name: "notes.md", status: "queued", stage: "waiting" }), { status: 202 });
    }),
  );
  open();
  await userEvent.upload(
    await screen.findByLabelText("Files to add"),
    [new File(["x"], "photo.png", { type: "image/png" }), new File(["# Notes"], "notes.md", { type: "text/markdown" })],
    { applyAccept: false },
  );
  expect(await screen.findByRole("alert")).toHaveTextContent(".png files cannot be read.");
  expect(await screen.findByRole("list", { name: "Documents" })).toHaveTextContent("notes.md");
  expect(sent).toBe(1);
  await userEvent.click(screen.getByRole("button", { name: "Dismiss photo.png" }));
  expect(screen.queryByRole("list", { name: "Uploads" })).not.toBeInTheDocument();
});

test("shows why the server refused an upload", async () => {
  documentsAre();
  server.use(http.post(DOCUMENTS, () => refusal(507, "disk_full", "The disk of the server is full.")));
  open();
  await userEvent.upload(await screen.findByLabelText("Files to add"), new File(["x"], "a.txt"));
  expect(await screen.findByRole("alert")).toHaveTextContent("The disk of the server is full.");
  expect(screen.getByRole("button", { name: "Retry" })).toBeVisible();
});

test("takes a document back into the list when it could not be deleted", async () => {
  documentsAre(someDocument());
  server.use(http.delete("*/api/v1/knowledge/documents/doc-1", () => refusal(409, "conflict", "It is still being read.")));
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Actions for handbook.pdf" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete document" }));
  expect(await screen.findByText("It is still being read.")).toBeVisible();
  expect(screen.getByRole("button", { name: "handbook.pdf" })).toBeVisible();
});

test("searches with the chosen strategy and marks the words that were asked for", async () => {
  const sent: unknown[] = [];
  documentsAre(someDocument());
  server.use(
    http.post(`${COLLECTION}/search`, async ({ request }) => {
      sent.push(await request.json());
      const source = { number: 1, text: "The notice period is one month.", document_id: "doc-1", document: "handbook.pdf" };
      const place = { collection_id: "col-1", collection: "Handbook", chunk_index: 4, score: 0.81, page: 3, start: 10, end: 41 };
      return HttpResponse.json({ sources: [{ ...source, ...place }], latency_ms: { embed: 4.2, total: 12 } });
    }),
  );
  open("?tab=search");
  await userEvent.type(await screen.findByLabelText("Question or words"), "notice period{Enter}");
  const found = await screen.findByRole("list", { name: "Passages found" });
  expect(found).toHaveTextContent("handbook.pdf, page 3");
  expect(found).toHaveTextContent("score 0.810");
  expect([...found.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["notice", "period"]);
  expect(screen.getByText("4.2 ms")).toBeVisible();
  await userEvent.click(screen.getByRole("radio", { name: "Dense" }));
  await waitFor(() => expect(sent).toHaveLength(2));
  expect(sent).toEqual([
    { query: "notice period", strategy: "hybrid", top_k: 10 },
    { query: "notice period", strategy: "dense", top_k: 10 },
  ]);
});

test("opens the text of a document at a passage, with page marks", async () => {
  documentsAre(someDocument());
  server.use(
    http.get("*/api/v1/knowledge/documents/doc-1/text", () =>
      HttpResponse.json({ name: "handbook.pdf", text: "First page.Second page.", pages: [{ page: 1, start: 0, end: 11 }, { page: 2, start: 11, end: 23 }] }),
    ),
  );
  open("?document=doc-1&start=11&end=17");
  const drawer = await screen.findByRole("dialog", { name: "handbook.pdf" });
  expect(within(drawer).getByText("Page 2")).toBeVisible();
  expect(drawer.querySelector("mark")).toHaveTextContent("Second");
});

test("says so when the collection does not exist", async () => {
  documentsAre();
  server.use(http.get(COLLECTION, () => refusal(404, "not_found", "There is no collection 'col-1'.")));
  open();
  expect(await screen.findByText("There is no collection 'col-1'.")).toBeVisible();
});
