import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { authStateQuery, createQueryClient, type User } from "@/lib/api";
import { page, refusal, someGroup, someKey, someSums, someUsageRow, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { UsagePage } from "./UsagePage";

function open(search = "", user: User = someUser({ role: "user" })) {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user, csrf_token: "t", version: "1.2.3" });
  return renderPage(<UsagePage />, { path: `/usage${search}`, route: "/usage", client });
}

const TOTAL = someSums({ requests: 40, errors: 2, input_tokens: 1200, output_tokens: 300, cost_usd: "1.005", unpriced: 3, latency_p95_ms: 820 });

/** The server's side: what each request asked for is noted. */
function answer(asked: URLSearchParams[] = []) {
  server.use(
    http.get("*/api/v1/limits/me", () => HttpResponse.json({ items: [] })),
    http.get("*/api/v1/keys", () => page([someKey({ id: "key-1", name: "Laptop" })])),
    http.get("*/api/v1/groups/mine", () => HttpResponse.json({ items: [someGroup()] })),
    http.get("*/api/v1/groups", () => page([someGroup()])),
    http.get("*/api/v1/users", () => page([someUser(), someUser({ id: "user-2", name: "Grace Hopper" })])),
    http.get("*/api/v1/usage/live", () =>
      HttpResponse.json({
        at: "2026-11-20T10:00:00Z",
        requests: 7,
        errors: 1,
        tokens: 90,
        models: [{ model: "fast", requests: 7, errors: 1, tokens: 90, requests_by_second: Array.from({ length: 60 }, () => 0) }],
      }),
    ),
    http.get("*/api/v1/usage/summary", ({ request }) => {
      const query = new URL(request.url).searchParams;
      asked.push(query);
      const lines: Record<string, ReturnType<typeof someSums>[]> = {
        model: [someSums({ name: "slow", requests: 3 }), someSums({ name: "fast", requests: 37, cost_usd: "1.005" })],
        key: [someSums({ name: "key-1", requests: 30 }), someSums({ name: "", requests: 10 })],
        user: [someSums({ name: "user-2", requests: 40 })],
        status: [someSums({ name: "429", requests: 2, errors: 2 })],
      };
      return HttpResponse.json({ items: lines[query.get("by") ?? ""] ?? [], total: TOTAL, is_cut: false });
    }),
    http.get("*/api/v1/usage/rows", ({ request }) => {
      asked.push(new URL(request.url).searchParams);
      return page([
        someUsageRow({ id: "1", key_id: "key-1", trace_id: "trace-9", user_id: "user-2" }),
        someUsageRow({ id: "2", status: 429, error_code: "limit_reached", cost_usd: null }),
      ]);
    }),
  );
  return asked;
}

test("sums up, breaks down and lists one's own calls", async () => {
  const asked = answer();
  open();
  const totals = await screen.findByLabelText("Totals");
  expect(totals).toHaveTextContent("Requests40");
  expect(totals).toHaveTextContent("Cost$1.013 calls unpriced");
  expect(totals).toHaveTextContent("820 ms");
  const breakdown = screen.getByRole("region", { name: "Breakdown" });
  const lines = await within(breakdown).findAllByRole("rowheader");
  expect(lines.map((line) => line.textContent)).toEqual(["fast", "slow"]);
  const calls = screen.getByRole("region", { name: "Calls" });
  expect(await within(calls).findByText("429 over a limit")).toBeVisible();
  expect(within(calls).getByText(/key Laptop/)).toBeVisible();
  expect(within(calls).getByRole("link", { name: "trace" })).toHaveAttribute("href", "/traces/trace-9");
  expect(asked.every((query) => !query.has("all"))).toBe(true);
  expect(screen.queryByRole("switch", { name: "Everyone" })).not.toBeInTheDocument();
});

test("administrators look at everyone, by name, with the last minute on top", async () => {
  const asked = answer();
  open("?by=user", someUser());
  await screen.findByLabelText("Totals");
  expect(screen.queryByRole("region", { name: "Last minute" })).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("switch", { name: "Everyone" }));
  const live = await screen.findByRole("region", { name: "Last minute" });
  expect(await within(live).findByText(/7 requests/)).toBeVisible();
  const breakdown = screen.getByRole("region", { name: "Breakdown" });
  expect(await within(breakdown).findByText("Grace Hopper")).toBeVisible();
  expect(asked.at(-1)?.get("all")).toBe("true");
});

test("who is no administrator cannot look at everyone by the address", async () => {
  const asked = answer();
  open("?everyone=yes");
  await screen.findByLabelText("Totals");
  expect(asked.some((query) => query.has("all"))).toBe(false);
});

test("a longer time asks for days, and the files follow the choice", async () => {
  const asked = answer();
  open();
  await screen.findByLabelText("Totals");
  expect(asked[0]?.get("interval")).toBe("hour");
  await userEvent.click(screen.getByRole("radio", { name: "30 days" }));
  await screen.findByText("By the day, in UTC.");
  await expect.poll(() => asked.some((query) => query.get("interval") === "day")).toBe(true);
  await userEvent.click(screen.getByRole("button", { name: "Export these calls" }));
  const href = (await screen.findByRole("menuitem", { name: "Export as CSV" })).getAttribute("href") ?? "";
  const since = new URL(href, "http://here").searchParams.get("since") ?? "";
  expect(Date.now() - Date.parse(since)).toBeGreaterThan(28 * 86_400_000);
});

test("a model of the breakdown narrows everything, and can be let go", async () => {
  const asked = answer();
  open();
  await userEvent.click(await screen.findByRole("button", { name: "slow" }));
  await expect.poll(() => asked.at(-1)?.get("model")).toBe("slow");
  await userEvent.click(screen.getByRole("button", { name: "Show every model again, not only slow" }));
  await expect.poll(() => screen.queryByRole("button", { name: /Show every model again/ })).toBeNull();
});

test("a time without calls says so, and a failure can be tried again", async () => {
  answer();
  server.use(http.get("*/api/v1/usage/summary", () => refusal(500, "internal", "The store broke."), { once: true }));
  open();
  expect(await screen.findByText("The store broke.")).toBeVisible();
  server.use(http.get("*/api/v1/usage/summary", () => HttpResponse.json({ items: [], total: someSums(), is_cut: false })));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("heading", { name: "No calls in this time" })).toBeVisible();
});
