import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { page, refusal, someCollection } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { KnowledgePage } from "./KnowledgePage";

const LIST = "*/api/v1/knowledge/collections";

test("lists the collections with their counts", async () => {
  server.use(http.get(LIST, () => page([someCollection(), someCollection({ id: "col-2", name: "Contracts", document_count: 1 })])));
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  const cards = within(await screen.findByRole("list", { name: "Collections" })).getAllByRole("listitem");
  expect(cards).toHaveLength(2);
  expect(cards[0]).toHaveTextContent("2 documents · 40 passages");
  expect(cards[1]).toHaveTextContent("1 document · 40 passages");
  expect(within(cards[0] as HTMLElement).getByRole("link", { name: "Handbook" })).toHaveAttribute("href", "/knowledge/col-1");
});

test("teaches what a collection is when there is none", async () => {
  server.use(http.get(LIST, () => page([])));
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  expect(await screen.findByRole("heading", { name: "Teach Alcove what you know" })).toBeVisible();
});

test("says why the list could not be loaded and tries again", async () => {
  let isDown = true;
  server.use(http.get(LIST, () => (isDown ? refusal(500, "internal", "The index is locked.") : page([someCollection()]))));
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  expect(await screen.findByRole("alert")).toHaveTextContent("The index is locked.");
  isDown = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("link", { name: "Handbook" })).toBeVisible();
});

test("creates a collection and opens it", async () => {
  let sent: unknown = null;
  server.use(
    http.get(LIST, () => page([someCollection()])),
    http.post(LIST, async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someCollection({ id: "col-9", name: "Manuals" }), { status: 201 });
    }),
  );
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  await userEvent.click(await screen.findByRole("button", { name: "New collection" }));
  await userEvent.type(await screen.findByRole("textbox", { name: "Name" }), "  Manuals ");
  await userEvent.click(screen.getByRole("button", { name: "Create collection" }));
  expect(await screen.findByText("another page")).toBeInTheDocument();
  expect(sent).toEqual({ name: "Manuals", description: "" });
});

test("keeps the dialog open with the reason when the name is taken", async () => {
  server.use(
    http.get(LIST, () => page([someCollection()])),
    http.post(LIST, () => refusal(409, "already_exists", "There is a collection 'Handbook' already.")),
  );
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  await userEvent.click(await screen.findByRole("button", { name: "New collection" }));
  await userEvent.click(await screen.findByRole("button", { name: "Create collection" }));
  expect(await screen.findByText("Give the collection a name.")).toBeVisible();
  await userEvent.type(screen.getByRole("textbox", { name: "Name" }), "Handbook");
  await userEvent.click(screen.getByRole("button", { name: "Create collection" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("There is a collection 'Handbook' already.");
});

test("deletes a collection only after saying what is lost", async () => {
  let deleted = 0;
  server.use(
    http.get(LIST, () => page(deleted ? [] : [someCollection()])),
    http.delete(`${LIST}/col-1`, () => {
      deleted += 1;
      return new HttpResponse(null, { status: 204 });
    }),
  );
  renderPage(<KnowledgePage />, { path: "/knowledge" });
  await userEvent.click(await screen.findByRole("button", { name: "Actions for Handbook" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  expect(await screen.findByText(/2 documents and the 40 passages made from them are deleted/)).toBeVisible();
  expect(deleted).toBe(0);
  await userEvent.click(screen.getByRole("button", { name: "Delete collection" }));
  await waitFor(() => expect(deleted).toBe(1));
  expect(await screen.findByRole("heading", { name: "Teach Alcove what you know" })).toBeVisible();
});
