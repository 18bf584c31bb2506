import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http } from "msw";
import { beforeEach, expect, test } from "vitest";
import { authStateQuery, createQueryClient } from "@/lib/api";
import { page, refusal, someTrace, someUser } from "@/testing/answers";
import { pretendLayout } from "@/testing/layout";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { TracesPage } from "./TracesPage";

const TRACES = "*/api/v1/traces";

function open(search = "", role: "admin" | "user" = "user") {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser({ role }), csrf_token: "t", version: "1" });
  return renderPage(<TracesPage />, { path: `/traces${search}`, route: "/traces", client });
}

beforeEach(() => pretendLayout());

test("lists each trace with its figures, and says when a price is not known", async () => {
  server.use(http.get(TRACES, () => page([someTrace({ level: "error" }), someTrace({ id: "trace-2", name: "priced", cost_usd: "0.0123" })])));
  open();
  const table = await screen.findByRole("table", { name: "Traces" });
  const [first, second] = (await within(table).findAllByRole("row")).slice(-2);
  expect(first).toHaveTextContent("How long is the notice period?");
  expect(first).toHaveTextContent("2.4 s");
  expect(first).toHaveTextContent("1,290");
  expect(first).toHaveTextContent("unpriced");
  expect(first).toHaveTextContent("Error");
  expect(within(first as HTMLElement).getByRole("link", { name: "chat" })).toHaveAttribute("href", "/traces/trace-1");
  expect(second).toHaveTextContent("$0.012");
});

test("asks the server for what the address narrows it to, and for more words as they are typed", async () => {
  const asked: string[] = [];
  server.use(
    http.get(TRACES, ({ request }) => {
      asked.push(new URL(request.url).search);
      return page([someTrace()]);
    }),
  );
  open("?level=error&session=chat-1");
  await screen.findByRole("table", { name: "Traces" });
  expect(asked[0]).toContain("level=error");
  expect(asked[0]).toContain("session_id=chat-1");
  await userEvent.type(screen.getByLabelText("Search in questions and answers"), "notice");
  await waitFor(() => expect(asked.at(-1)).toContain("query=notice"));
  await userEvent.click(screen.getByRole("button", { name: "Clear filters" }));
  await waitFor(() => expect(asked.at(-1)).toBe("?limit=50"));
  expect(screen.getByLabelText("Search in questions and answers")).toHaveValue("");
});

test("only an administrator may ask for everyone's", async () => {
  const asked: string[] = [];
  server.use(
    http.get(TRACES, ({ request }) => {
      asked.push(new URL(request.url).search);
      return page([someTrace()]);
    }),
  );
  const { unmount } = open("?everyone=yes");
  await screen.findByRole("table", { name: "Traces" });
  expect(asked.at(-1)).not.toContain("all=");
  expect(screen.queryByRole("switch", { name: "Everyone’s" })).not.toBeInTheDocument();
  unmount();
  open("?everyone=yes", "admin");
  await screen.findByRole("table", { name: "Traces" });
  expect(asked.at(-1)).toContain("all=true");
});

test("says what would be here, and what a filter hides", async () => {
  server.use(http.get(TRACES, () => page([])));
  const { unmount } = open();
  expect(await screen.findByRole("heading", { name: "No answer has been traced yet" })).toBeVisible();
  unmount();
  open("?query=nothing");
  expect(await screen.findByRole("heading", { name: "Nothing matches these filters" })).toBeVisible();
});

test("says why the list could not be loaded", async () => {
  server.use(http.get(TRACES, () => refusal(500, "internal", "The trace store is closed.")));
  open();
  expect(await screen.findByRole("alert")).toHaveTextContent("The trace store is closed.");
});
