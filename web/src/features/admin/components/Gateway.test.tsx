import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { authStateQuery, createQueryClient } from "@/lib/api";
import { page, refusal, someDeployment, someGroup, someLimits, someModelGroup, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { AdminPage } from "./AdminPage";

function open(section: string) {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser(), csrf_token: "t", version: "1.2.3" });
  server.use(
    http.get("*/api/v1/models", () => HttpResponse.json({ items: [], notice: null })),
    http.get("*/api/v1/guardrails", () => page([])),
  );
  return renderPage(<AdminPage />, { path: `/admin/${section}`, route: "/admin/$", client });
}

/** Writes into a field at once: key by key takes seconds in a form of this size. */
async function fill(field: HTMLElement, text: string): Promise<void> {
  await userEvent.click(field);
  await userEvent.paste(text);
}

const GRACE = someUser({ id: "user-2", email: "grace@example.org", name: "Grace Hopper", role: "user" });

test("says how each server does", async () => {
  const { health } = someDeployment();
  server.use(
    http.get("*/api/v1/deployments", () =>
      page([
        someDeployment({
          health: {
            ...health,
            state: "open",
            since: "2026-11-20T10:00:00Z",
            requests: 34,
            failures: 2,
            in_flight: 1,
            first_token_ms: 210,
            last_error: "It refused the connection.",
            last_error_at: "2026-11-20T10:00:00Z",
          },
        }),
        someDeployment({ id: "dep-2", name: "spare" }),
      ]),
    ),
  );
  open("models");
  const [ill, idle] = within(await screen.findByRole("list", { name: "Model servers" })).getAllByRole("listitem");
  expect(ill).toHaveTextContent("failing, spared for now since");
  expect(ill).toHaveTextContent("1 under way · 34 requests, 2 failed · first token 210 ms");
  expect(ill).toHaveTextContent("It refused the connection.");
  expect(idle).toHaveTextContent("not asked yet");
});

test("adds a fake server with prices and room, without an address", { timeout: 40_000 }, async () => {
  let sent: unknown = null;
  server.use(
    http.get("*/api/v1/deployments", () => page([])),
    http.post("*/api/v1/deployments", async ({ request }) => {
      sent = await request.json();
      return refusal(409, "already_exists", "Taken.", [{ field: "name", message: "is already taken" }]);
    }),
  );
  open("models");
  await userEvent.click(await screen.findByRole("button", { name: "Add server" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("combobox", { name: "Kind of server" }));
  await userEvent.click(await screen.findByRole("option", { name: "Built-in fake" }));
  expect(within(dialog).queryByLabelText("Address")).not.toBeInTheDocument();
  await userEvent.type(within(dialog).getByLabelText("Name"), "trial");
  await userEvent.click(within(dialog).getByRole("button", { name: /^Advanced/ }));
  await userEvent.type(within(dialog).getByLabelText("Input"), "2.50");
  await userEvent.type(within(dialog).getByLabelText("Calls at a time"), "4");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add server" }));
  expect(await within(dialog).findByText("This is already taken.")).toBeVisible();
  expect(sent).toMatchObject({
    name: "trial",
    provider: "fake",
    options: { max_parallel: 4, prices: { input_usd: "2.50", output_usd: "0", cached_input_usd: null } },
  });
});

/** The field of one row; asking by label is much faster than by role in a form of this size. */
function cell(label: string): HTMLElement {
  return screen.getByLabelText(label, { selector: "input" });
}

async function openNewModelGroup(): Promise<void> {
  open("model-groups");
  await userEvent.click(await screen.findByRole("button", { name: "Add model group" }));
  await screen.findByRole("dialog", { name: "Add model group" });
}

/** Sends the form: its own button is the last of that name. */
async function addModelGroup(): Promise<void> {
  const [, send] = screen.getAllByText("Add model group", { selector: "button *" });
  await userEvent.click(send ?? document.body);
}

test("adds a model group", async () => {
  let sent: unknown = null;
  server.use(
    http.get("*/api/v1/deployments", () => page([someDeployment()])),
    http.get("*/api/v1/model-groups", () => page([])),
    http.post("*/api/v1/model-groups", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someModelGroup(), { status: 201 });
    }),
  );
  await openNewModelGroup();
  await fill(screen.getByLabelText("Model id"), "fast");
  await fill(cell("Server of member 1"), "lab");
  await fill(cell("Model of member 1"), "llama");
  await userEvent.click(cell("Which member is asked"));
  await userEvent.click(await screen.findByText("Quickest"));
  expect(screen.getByText(/first token came soonest/)).toBeVisible();
  await addModelGroup();
  await waitFor(() =>
    expect(sent).toMatchObject({
      model: "fast",
      members: [{ deployment: "lab", model: "llama", weight: null, order: 0 }],
      strategy: "lowest_latency",
      retries: 2,
      cache: null,
    }),
  );
});

test("shows a member's fault in its row", { timeout: 40_000 }, async () => {
  server.use(
    http.get("*/api/v1/deployments", () => page([someDeployment()])),
    http.get("*/api/v1/model-groups", () => page([])),
    http.post("*/api/v1/model-groups", () =>
      refusal(422, "invalid", "Refused.", [{ field: "members.1.deployment", message: "There is no such server." }]),
    ),
  );
  await openNewModelGroup();
  await addModelGroup();
  expect(await screen.findByText("Choose a server.")).toBeVisible();
  await fill(screen.getByLabelText("Model id"), "fast");
  await fill(cell("Server of member 1"), "lab");
  await fill(cell("Model of member 1"), "llama");
  await userEvent.click(screen.getByText("Add member"));
  await fill(cell("Server of member 2"), "nowhere");
  await fill(cell("Model of member 2"), "llama");
  await addModelGroup();
  expect(await screen.findByText("There is no such server.")).toBeVisible();
  expect(cell("Server of member 2")).toBeInvalid();
  await userEvent.click(screen.getByLabelText("Remove member 2"));
  expect(screen.queryByText("There is no such server.")).not.toBeInTheDocument();
});

test("lists model groups with their members, and deletes after asking", async () => {
  let deleted = "";
  server.use(
    http.get("*/api/v1/model-groups", () =>
      page([
        someModelGroup({ aliases: ["gpt-4o"], fallbacks: { on_error: ["slow"], on_context_overflow: [], on_content_policy: [] } }),
        someModelGroup({ id: "settings:base", model: "base", source: "settings" }),
      ]),
    ),
    http.delete("*/api/v1/model-groups/:id", ({ params }) => {
      deleted = String(params["id"]);
      return new HttpResponse(null, { status: 204 });
    }),
  );
  open("model-groups");
  expect(await screen.findByText("asked again 2 times · on errors slow · also called gpt-4o")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Actions for base" })).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Actions for fast" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete model group" }));
  await waitFor(() => expect(deleted).toBe("mg-1"));
});

test("makes a group with a budget", async () => {
  let sent: unknown = null;
  server.use(
    http.get("*/api/v1/groups", () => page([])),
    http.post("*/api/v1/groups", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someGroup(), { status: 201 });
    }),
  );
  open("groups");
  await userEvent.click(await screen.findByRole("button", { name: "Add group" }));
  const dialog = await screen.findByRole("dialog", { name: "Add group" });
  await userEvent.type(within(dialog).getByLabelText("Name"), "Research");
  await userEvent.type(within(dialog).getByLabelText("Budget in dollars"), "25");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add group" }));
  await waitFor(() => expect(sent).toEqual({ name: "Research", limits: someLimits({ budget_usd: "25" }) }));
});

test("puts people into a group and takes them out", async () => {
  const members = [someUser()];
  server.use(
    http.get("*/api/v1/groups", () => page([someGroup({ members: members.length })])),
    http.get("*/api/v1/users", () => page([someUser(), GRACE])),
    http.get("*/api/v1/groups/group-1/members", () => page(members)),
    http.put("*/api/v1/groups/group-1/members/user-2", () => {
      members.push(GRACE);
      return new HttpResponse(null, { status: 204 });
    }),
    http.delete("*/api/v1/groups/group-1/members/user-1", () => {
      members.shift();
      return new HttpResponse(null, { status: 204 });
    }),
  );
  open("groups");
  await userEvent.click(await screen.findByRole("button", { name: "Actions for Research" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Members" }));
  const list = await screen.findByRole("list", { name: "Members" });
  await waitFor(() => expect(screen.getByRole("combobox", { name: "Add a person" })).toBeEnabled());
  await userEvent.click(screen.getByRole("combobox", { name: "Add a person" }));
  expect(screen.queryByRole("option", { name: /Ada/ })).not.toBeInTheDocument();
  await userEvent.click(await screen.findByRole("option", { name: "Grace Hopper (grace@example.org)" }));
  expect(await within(list).findByText("Grace Hopper")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Take Ada Lovelace out" }));
  await waitFor(() => expect(within(list).queryByText("Ada Lovelace")).not.toBeInTheDocument());
});

test("limits a person, who already stands somewhere", async () => {
  let sent: unknown = null;
  server.use(
    http.get("*/api/v1/users", () => page([{ ...GRACE, limits: someLimits({ requests_per_minute: 10 }) }])),
    http.get("*/api/v1/limits/:subject", ({ params }) =>
      HttpResponse.json({
        subject: params["subject"],
        name: "Grace Hopper",
        models: null,
        guards: [],
        limits: [{ kind: "requests_per_minute", limit: "10", used: "4", held: "0", left: "6", resets_in_s: 20, resets_at: null, period: null }],
      }),
    ),
    http.patch("*/api/v1/users/user-2", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(GRACE);
    }),
  );
  open("users");
  expect(await screen.findByText("10 requests/min")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Actions for Grace Hopper" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Limits" }));
  const dialog = await screen.findByRole("dialog", { name: "Limits of Grace Hopper" });
  expect(await within(dialog).findByText("4 of 10")).toBeVisible();
  await userEvent.clear(within(dialog).getByRole("textbox", { name: "Requests a minute" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(sent).toEqual({ limits: null }));
});
