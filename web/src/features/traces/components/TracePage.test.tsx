import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, expect, test } from "vitest";
import type { Observation } from "@/lib/api";
import { refusal, someObservation, someTrace } from "@/testing/answers";
import { pretendLayout } from "@/testing/layout";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { TracePage } from "./TracePage";

const TRACE = "*/api/v1/traces/trace-1";
const open = () => renderPage(<TracePage />, { path: "/traces/trace-1", route: "/traces/$traceId" });

const OBSERVATIONS: Observation[] = [
  someObservation(),
  someObservation({
    id: "find",
    parent_id: "obs-1",
    kind: "retriever",
    name: "search Handbook",
    started_at: "2026-11-20T10:00:00.100Z",
    latency_ms: 80,
    output: [{ text: "One month to the end of a month.", document: "handbook.pdf", document_id: "d", collection_id: "c", page: 3, score: 0.912 }],
  }),
  someObservation({
    id: "write",
    parent_id: "obs-1",
    kind: "generation",
    name: "qwen2.5:0.5b",
    started_at: "2026-11-20T10:00:00.200Z",
    time_to_first_token_ms: 300,
    input: [{ role: "user", content: "How long is the notice period?" }],
    output: "One month.",
    usage: { input_tokens: 1200 },
    level: "error",
    status_message: "The model server closed the connection.",
  }),
];

function traceHas(observations: Observation[]) {
  const trace = { ...someTrace(), input: "question", output: "answer", metadata: {}, tags: ["chat"] };
  server.use(http.get(TRACE, () => HttpResponse.json({ trace, observations })));
}

beforeEach(() => pretendLayout());

test("shows the totals, the tree and the way back to the chat", async () => {
  traceHas(OBSERVATIONS);
  open();
  const tree = await screen.findByRole("tree", { name: "Observations" });
  const items = within(tree).getAllByRole("treeitem");
  expect(items.map((item) => item.getAttribute("aria-level"))).toEqual(["1", "2", "2"]);
  expect(items[2]).toHaveTextContent("failed");
  expect(screen.getByRole("link", { name: "Open the chat" })).toHaveAttribute("href", "/c/chat-1");
  expect(screen.getByText("unpriced")).toBeVisible();
  expect(screen.getByText("answer")).toBeVisible();
});

test("the arrow keys walk through the observations and show each", async () => {
  traceHas(OBSERVATIONS);
  open();
  const tree = await screen.findByRole("tree");
  tree.focus();
  await userEvent.keyboard("{ArrowDown}{ArrowDown}");
  const details = screen.getByRole("region", { name: "Details" });
  expect(within(details).getByRole("heading", { name: "search Handbook" })).toBeVisible();
  expect(within(details).getByRole("cell", { name: "0.912" })).toBeVisible();
  expect(within(details).getByRole("link", { name: "handbook.pdf, page 3" })).toBeVisible();
  await userEvent.keyboard("{ArrowDown}");
  expect(within(details).getByText("The model server closed the connection.")).toBeVisible();
  expect(within(details).getByText("How long is the notice period?")).toBeVisible();
  expect(within(details).getByText("Input tokens")).toBeVisible();
  await userEvent.keyboard("{ArrowLeft}{ArrowLeft}");
  expect(within(tree).getAllByRole("treeitem")).toHaveLength(1);
  expect(within(tree).getByRole("treeitem")).toHaveAttribute("aria-expanded", "false");
  await userEvent.keyboard("{ArrowRight}");
  expect(within(tree).getAllByRole("treeitem")).toHaveLength(3);
});

test("draws only the rows in view of ten thousand", async () => {
  traceHas(Array.from({ length: 10_000 }, (_, index) => someObservation({ id: `o${index}`, name: `step ${index}` })));
  open();
  const tree = await screen.findByRole("tree");
  expect(within(tree).getAllByRole("treeitem").length).toBeLessThan(60);
  expect(screen.getByText("10,000")).toBeVisible();
});

test("says so when the trace does not exist", async () => {
  server.use(http.get(TRACE, () => refusal(404, "not_found", "There is no trace 'trace-1'.")));
  open();
  expect(await screen.findByRole("alert")).toHaveTextContent("There is no trace 'trace-1'.");
});
