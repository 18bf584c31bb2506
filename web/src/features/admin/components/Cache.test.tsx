import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, expect, test } from "vitest";
import { authStateQuery, type CachePolicy, type CacheState, createQueryClient } from "@/lib/api";
import { page, refusal, someDeployment, someModelGroup, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { AdminPage } from "./AdminPage";

const POLICY: CachePolicy = { mode: "exact", ttl_s: 5400, threshold: 0.95, is_shared: false };

function someState(part: Partial<CacheState> = {}): CacheState {
  return {
    entries: 120,
    size_bytes: 2_400_000,
    hits: 30,
    semantic_hits: 10,
    misses: 40,
    failures: 0,
    place: "memory",
    max_entries: 20_000,
    max_bytes: 64 << 20,
    rules: [],
    ...part,
  };
}

function open() {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser(), csrf_token: "t", version: "1.2.3" });
  return renderPage(<AdminPage />, { path: "/admin/cache", route: "/admin/$", client });
}

beforeEach(() => {
  server.use(
    http.get("*/api/v1/cache", () => HttpResponse.json(someState())),
    http.get("*/api/v1/deployments", () => page([])),
    http.get("*/api/v1/model-groups", () => page([])),
    http.get("*/api/v1/models", () => HttpResponse.json({ items: [{ id: "fast" }], notice: null })),
    http.get("*/api/v1/users", () => page([someUser()])),
  );
});

test("tells how full it is, and how often it helped", async () => {
  open();
  const numbers = await screen.findByLabelText("The cache in numbers");
  expect(numbers).toHaveTextContent("Answers kept120of 20,000 at most");
  expect(numbers).toHaveTextContent("Memory2.4 MBof 67.1 MB at most");
  expect(numbers).toHaveTextContent("Found50 %40 of 80 requests, 10 by meaning");
  expect(screen.getByText(/in the memory of this process/)).toBeVisible();
  expect(await screen.findByRole("heading", { name: "Nothing is kept" })).toBeVisible();
});

test("says that the store is away, or that the state could not be loaded", async () => {
  const away = someState({ entries: null, size_bytes: null, max_bytes: null, failures: 7, place: "valkey" });
  server.use(http.get("*/api/v1/cache", () => HttpResponse.json(away)));
  const { unmount } = open();
  expect(await screen.findByRole("alert")).toHaveTextContent("The store does not answer.");
  expect(screen.getByLabelText("The cache in numbers")).toHaveTextContent("Store failed7requests went on without it");
  unmount();
  server.use(http.get("*/api/v1/cache", () => refusal(503, "away", "Not now.")));
  open();
  expect(await screen.findByText("Not now.")).toBeVisible();
});

test("lists whose answers are kept, those of the settings to read only", async () => {
  server.use(
    http.get("*/api/v1/cache", () => HttpResponse.json(someState({ rules: [{ ...POLICY, models: "openai/*", ttl_s: 90, is_shared: true }] }))),
    http.get("*/api/v1/model-groups", () => page([someModelGroup({ cache: { ...POLICY, mode: "semantic" } })])),
  );
  open();
  const [group, rule] = within(await screen.findByRole("list", { name: "Whose answers are kept" })).getAllByRole("listitem");
  expect(group).toHaveTextContent("Also a question that means the same (0.95 alike), for 90 minutes, each person their own.");
  expect(rule).toHaveTextContent("openai/*rulefrom settingsThe very same request, for 90 seconds, for everybody.");
  expect(screen.queryByRole("button", { name: "Actions for openai/*" })).not.toBeInTheDocument();
});

test("caches a server, keeping its other options", async () => {
  let sent: unknown = null;
  const { options } = someDeployment();
  server.use(
    http.get("*/api/v1/deployments", () => page([someDeployment({ options: { ...options, guards: ["pii"] } })])),
    http.patch("*/api/v1/deployments/dep-1", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someDeployment());
    }),
  );
  open();
  const button = await screen.findByRole("button", { name: "Cache a model" });
  await waitFor(() => expect(button).toBeEnabled());
  await userEvent.click(button);
  const dialog = await screen.findByRole("dialog", { name: "Cache a model" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(await within(dialog).findByText("Choose a model group or a server.")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("combobox", { name: "Whose answers" }));
  await userEvent.click(await screen.findByRole("option", { name: "lab/*" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(sent).toEqual({ options: { ...options, guards: ["pii"], cache: { ...POLICY, ttl_s: 3600 } } }));
});

test("changes a group's policy, shows a refusal beside its field, and stops keeping", async () => {
  const sent: unknown[] = [];
  server.use(
    http.get("*/api/v1/model-groups", () => page([someModelGroup({ cache: POLICY })])),
    http.patch("*/api/v1/model-groups/mg-1", async ({ request }) => {
      sent.push(await request.json());
      return sent.length === 1 ? refusal(400, "invalid", "Refused.", [{ field: "cache.ttl_s", message: "is too long" }]) : HttpResponse.json(someModelGroup());
    }),
  );
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Actions for fast" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Edit" }));
  const dialog = await screen.findByRole("dialog", { name: "Cache of fast" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(await within(dialog).findByText("This is too long.")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Cancel" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  await userEvent.click(screen.getByRole("button", { name: "Actions for fast" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Keep no more" }));
  await userEvent.click(await screen.findByRole("button", { name: "Keep no more" }));
  await waitFor(() => expect(sent).toEqual([{ cache: POLICY }, { cache: null }]));
});

test("drops the answers of a model, and tells how many; a store that is away is told", async () => {
  const asked: string[] = [];
  server.use(
    http.delete("*/api/v1/cache", ({ request }) => {
      asked.push(new URL(request.url).search);
      return asked.length === 1 ? refusal(503, "cache_away", "The cache is away.") : HttpResponse.json({ entries: 12 });
    }),
  );
  open();
  const button = await screen.findByRole("button", { name: "Empty the cache" });
  await waitFor(() => expect(button).toBeEnabled());
  await userEvent.click(button);
  const dialog = await screen.findByRole("dialog", { name: "Empty the cache" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Drop all answers" }));
  expect(await within(dialog).findByText("The cache is away.")).toBeVisible();
  await userEvent.type(within(dialog).getByRole("combobox", { name: "Model" }), "fast");
  await userEvent.click(within(dialog).getByRole("button", { name: "Drop these answers" }));
  expect(await screen.findByText("Dropped 12 cached answers.")).toBeVisible();
  expect(asked).toEqual(["", "?model=fast"]);
});
