import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { type AuditEntry, authStateQuery, createQueryClient, type User } from "@/lib/api";
import { page, refusal, someDeployment, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { AdminPage } from "./AdminPage";

function open(section: string, user: User = someUser()) {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user, csrf_token: "t", version: "1.2.3" });
  return renderPage(<AdminPage />, { path: `/admin/${section}`, route: "/admin/$", client });
}

const GRACE = someUser({ id: "user-2", email: "grace@example.org", name: "Grace Hopper", role: "user", last_seen_at: null });

test("turns away who is not an administrator, kindly", async () => {
  open("users", someUser({ role: "user" }));
  expect(await screen.findByRole("heading", { name: "This page is for administrators" })).toBeVisible();
});

test("adds a user with a generated password and hands it over once", async () => {
  let sent: { password?: string } = {};
  server.use(
    http.get("*/api/v1/users", () => page([someUser(), GRACE])),
    http.post("*/api/v1/users", async ({ request }) => {
      sent = (await request.json()) as typeof sent;
      return HttpResponse.json(someUser({ id: "user-3", email: "linus@example.org" }), { status: 201 });
    }),
  );
  open("users");
  await userEvent.click(await screen.findByRole("button", { name: "Add user" }));
  const dialog = await screen.findByRole("dialog", { name: "Add user" });
  await userEvent.type(within(dialog).getByLabelText("Email"), "linus@example.org");
  await userEvent.type(within(dialog).getByLabelText("Name"), "Linus");
  await userEvent.click(within(dialog).getByRole("button", { name: "Generate" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Add user" }));
  const done = await screen.findByRole("dialog", { name: "The user can sign in" });
  expect(sent).toMatchObject({ email: "linus@example.org", name: "Linus", role: "user" });
  expect(sent.password).toMatch(/^([a-zA-Z2-9]{5}-){3}[a-zA-Z2-9]{5}$/);
  expect(within(done).getByText(sent.password ?? "")).toBeVisible();
});

test("puts the server's word beside the field it is about", async () => {
  server.use(
    http.get("*/api/v1/users", () => page([someUser()])),
    http.post("*/api/v1/users", () => refusal(409, "already_exists", "Taken.", [{ field: "email", message: "is already taken" }])),
  );
  open("users");
  await userEvent.click(await screen.findByRole("button", { name: "Add user" }));
  const dialog = await screen.findByRole("dialog", { name: "Add user" });
  await userEvent.type(within(dialog).getByLabelText("Email"), "ada@example.org");
  await userEvent.type(within(dialog).getByLabelText("Name"), "Ada");
  await userEvent.type(within(dialog).getByLabelText("Password"), "long enough");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add user" }));
  expect(await within(dialog).findByText("This is already taken.")).toBeVisible();
  expect(within(dialog).getByLabelText("Email")).toBeInvalid();
});

test("nobody can shut themselves out, and others only after a question", async () => {
  let change: unknown = null;
  server.use(
    http.get("*/api/v1/users", () => page([someUser(), GRACE])),
    http.patch("*/api/v1/users/user-2", async ({ request }) => {
      change = await request.json();
      return HttpResponse.json({ ...GRACE, disabled: true });
    }),
  );
  open("users");
  await userEvent.click(await screen.findByRole("button", { name: "Actions for Ada Lovelace" }));
  expect(await screen.findByRole("menuitem", { name: "Disable" })).toBeDisabled();
  expect(screen.getByRole("menuitem", { name: "Delete" })).toBeDisabled();
  await userEvent.keyboard("{Escape}");
  await userEvent.click(screen.getByRole("button", { name: "Actions for Grace Hopper" }));
  await waitFor(() => expect(screen.getByRole("menuitem", { name: "Disable" })).toBeEnabled());
  await userEvent.click(screen.getByRole("menuitem", { name: "Disable" }));
  expect(change).toBeNull();
  await userEvent.click(await screen.findByRole("button", { name: "Disable" }));
  await waitFor(() => expect(change).toEqual({ disabled: true }));
});

test("shows where a model server comes from and what testing it gave", async () => {
  server.use(
    http.get("*/api/v1/deployments", () => page([someDeployment(), someDeployment({ id: "dep-2", name: "ollama", provider: "ollama", source: "discovered", api_key_hint: null })])),
    http.post("*/api/v1/deployments/dep-1/test", () => HttpResponse.json({ ok: true, detail: "", models: ["llama", "qwen"], latency_ms: 31 })),
    http.post("*/api/v1/deployments/dep-2/test", () => HttpResponse.json({ ok: false, detail: "It refused the connection.", models: [], latency_ms: 2 })),
  );
  open("models");
  const [lab, ollama] = within(await screen.findByRole("list", { name: "Model servers" })).getAllByRole("listitem");
  expect(lab).toHaveTextContent("key ending in 77aF");
  expect(ollama).toHaveTextContent("discovered");
  expect(within(ollama as HTMLElement).queryByRole("switch")).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Test lab" }));
  expect(await screen.findByText("It answers, in 31 ms, with 2 models.")).toBeVisible();
  expect(lab).toHaveTextContent("llama, qwen");
  await userEvent.click(screen.getByRole("button", { name: "Test ollama" }));
  expect(await screen.findByText("It refused the connection.")).toBeVisible();
});

test("warns that a new address clears the key, and never sends an empty key", async () => {
  let sent: unknown = null;
  server.use(
    http.get("*/api/v1/deployments", () => page([someDeployment()])),
    http.patch("*/api/v1/deployments/dep-1", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someDeployment());
    }),
  );
  open("models");
  await userEvent.click(await screen.findByRole("button", { name: "Actions for lab" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Edit" }));
  const address = await screen.findByLabelText("Address");
  expect(screen.queryByText(/the stored key is forgotten/)).not.toBeInTheDocument();
  await userEvent.clear(address);
  await userEvent.type(address, "lab:9000");
  expect(await screen.findByText(/the stored key is forgotten/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByText("The address begins with http:// or https://.")).toBeVisible();
  await userEvent.clear(address);
  await userEvent.type(address, "http://lab:9000/v1");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() =>
    expect(sent).toEqual({
      name: "lab",
      provider: "openai",
      base_url: "http://lab:9000/v1",
      models: [],
      options: someDeployment().options,
    }),
  );
});

test("shows each part of the installation and which one is ill", async () => {
  server.use(
    http.get("*/api/v1/status", () =>
      HttpResponse.json({
        version: "1.2.3",
        uptime_s: 93_784,
        parts: [
          { name: "database", healthy: true, detail: "" },
          { name: "ollama", healthy: false, detail: "refused the connection" },
        ],
      }),
    ),
  );
  open("status");
  expect(await screen.findByText("1 of 2 parts needs attention. Alcove 1.2.3, running for 1 day, 2 hours.")).toBeVisible();
  const [, ollama] = within(screen.getByRole("list", { name: "Parts" })).getAllByRole("listitem");
  expect(ollama).toHaveTextContent("not healthy");
});

test("says why the status could not be loaded", async () => {
  server.use(http.get("*/api/v1/status", () => refusal(500, "internal", "The status broke.")));
  open("status");
  expect(await screen.findByText("The status broke.")).toBeVisible();
});

test("pages through the audit log and back", async () => {
  const entry = (id: string): AuditEntry => ({
    id,
    at: "2026-11-20T10:00:00Z",
    actor: `${id}@example.org`,
    ip: "127.0.0.1",
    action: "user.update",
    object: "user:2",
    outcome: "ok",
    request_id: "r",
  });
  server.use(
    http.get("*/api/v1/audit", ({ request }) =>
      new URL(request.url).searchParams.get("cursor") === "older" ? page([entry("old")]) : page([entry("new")], "older"),
    ),
  );
  open("audit");
  expect(await screen.findByText("new@example.org")).toBeVisible();
  expect(screen.getByRole("button", { name: "Newer" })).toBeDisabled();
  await userEvent.click(screen.getByRole("button", { name: "Older" }));
  expect(await screen.findByText("old@example.org")).toBeVisible();
  expect(screen.getByText("Page 2")).toBeVisible();
  expect(screen.getByRole("button", { name: "Older" })).toBeDisabled();
  await userEvent.click(screen.getByRole("button", { name: "Newer" }));
  expect(await screen.findByText("new@example.org")).toBeVisible();
});
