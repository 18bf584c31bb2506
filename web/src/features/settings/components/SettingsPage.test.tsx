import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { authStateQuery, createQueryClient } from "@/lib/api";
import { page, refusal, someGroup, someKey, someLimits, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { SettingsPage } from "./SettingsPage";

function open(section: string) {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser(), csrf_token: "t", version: "1.2.3" });
  return renderPage(<SettingsPage />, { path: `/settings/${section}`, route: "/settings/$", client });
}

const models = http.get("*/api/v1/models", () =>
  HttpResponse.json({
    items: [
      { id: "qwen2.5:0.5b", name: "qwen", kind: "chat", provider: "ollama", description: "", is_default: true, is_generative: true, capabilities: [] },
    ],
    notice: null,
  }),
);

test("saves a new name", async () => {
  let sent: unknown = null;
  server.use(
    http.patch("*/api/v1/users/me", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someUser({ name: "Ada King" }));
    }),
  );
  const { client } = open("profile");
  const name = await screen.findByRole("textbox", { name: "Name" });
  expect(screen.getByRole("button", { name: "Save" })).toBeDisabled();
  await userEvent.clear(name);
  await userEvent.type(name, "Ada King");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(sent).toEqual({ name: "Ada King" }));
  await waitFor(() => expect(client.getQueryData(authStateQuery.queryKey)?.user?.name).toBe("Ada King"));
});

test("puts the server's word about a password beside its field", async () => {
  server.use(
    http.post("*/api/v1/auth/password", () =>
      refusal(422, "invalid", "The request was refused.", [{ field: "current_password", message: "is not your password" }]),
    ),
  );
  open("profile");
  await userEvent.type(await screen.findByLabelText("Current password"), "wrong horse");
  await userEvent.type(screen.getByLabelText("New password"), "correct horse");
  await userEvent.click(screen.getByRole("button", { name: "Change password" }));
  expect(await screen.findByText("This differs from the new password.")).toBeVisible();
  await userEvent.type(screen.getByLabelText("New password, again"), "correct horse");
  await userEvent.click(screen.getByRole("button", { name: "Change password" }));
  expect(await screen.findByText("This is not your password.")).toBeVisible();
});

test("shows the secret of a new key once, with a request that runs", async () => {
  let sent: unknown = null;
  server.use(
    models,
    http.get("*/api/v1/keys", () => page([])),
    http.post("*/api/v1/keys", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json({ key: someKey(), secret: "sk-as-secret" }, { status: 201 });
    }),
  );
  open("keys");
  await userEvent.click(await screen.findByRole("button", { name: "New key" }));
  await userEvent.type(await screen.findByRole("textbox", { name: "Name" }), "Laptop");
  await userEvent.click(screen.getByRole("button", { name: "Make key" }));
  const dialog = await screen.findByRole("dialog", { name: "Your new key" });
  expect(within(dialog).getByText("sk-as-secret")).toBeVisible();
  expect(sent).toMatchObject({ name: "Laptop", expires_at: expect.stringMatching(/^\d{4}-/) });
  const example = within(dialog).getByRole("group", { name: "curl example" });
  expect(example).toHaveTextContent(`${window.location.origin}/v1/chat/completions`);
  expect(example).toHaveTextContent("Bearer sk-as-secret");
  expect(example).toHaveTextContent("qwen2.5:0.5b");
  await userEvent.click(within(dialog).getByRole("button", { name: "I have copied it" }));
  await waitFor(() => expect(screen.queryByText("sk-as-secret")).not.toBeInTheDocument());
});

test("tells live keys from ended ones, and revokes after asking", async () => {
  let revoked = "";
  server.use(
    models,
    http.get("*/api/v1/keys", () =>
      page([someKey(), someKey({ id: "key-2", name: "Old", expires_at: "2020-01-01T00:00:00Z" }), someKey({ id: "key-3", name: "Gone", revoked_at: "2026-01-01T00:00:00Z" })]),
    ),
    http.delete("*/api/v1/keys/:id", ({ params }) => {
      revoked = String(params["id"]);
      return new HttpResponse(null, { status: 204 });
    }),
  );
  open("keys");
  const [live, old, gone] = within(await screen.findByRole("list", { name: "API keys" })).getAllByRole("listitem");
  expect(live).toHaveTextContent("never used");
  expect(old).toHaveTextContent("expired 1/1/2020".slice(0, 7));
  expect(gone).toHaveTextContent("revoked");
  expect(screen.getAllByRole("button", { name: /^Actions for/ })).toHaveLength(1);
  await userEvent.click(screen.getByRole("button", { name: "Actions for Laptop" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Revoke" }));
  await userEvent.click(await screen.findByRole("button", { name: "Revoke key" }));
  await waitFor(() => expect(revoked).toBe("key-1"));
});

test("makes a key with limits, and puts the server's word about an address beside it", { timeout: 40_000 }, async () => {
  const sent: unknown[] = [];
  server.use(
    models,
    http.get("*/api/v1/keys", () => page([])),
    http.get("*/api/v1/groups/mine", () => HttpResponse.json({ items: [someGroup()] })),
    http.post(
      "*/api/v1/keys",
      async ({ request }) => {
        sent.push(await request.json());
        return refusal(422, "invalid", "Refused.", [{ field: "allowed_ips.0", message: "is no address" }]);
      },
      { once: true },
    ),
    http.post("*/api/v1/keys", async ({ request }) => {
      sent.push(await request.json());
      return HttpResponse.json({ key: someKey(), secret: "sk-as-secret" }, { status: 201 });
    }),
  );
  open("keys");
  await userEvent.click(await screen.findByRole("button", { name: "New key" }));
  await userEvent.type(await screen.findByRole("textbox", { name: "Name" }), "Robot");
  const more = screen.getByRole("button", { name: /^Limits/ });
  expect(more).toHaveAttribute("aria-expanded", "false");
  await userEvent.click(more);
  await userEvent.click(await screen.findByRole("checkbox", { name: "Embeddings" }));
  await userEvent.type(screen.getByRole("combobox", { name: "Only from these addresses" }), "here{Enter}");
  await userEvent.type(screen.getByLabelText("Budget in dollars"), "5");
  await userEvent.click(screen.getByRole("combobox", { name: "Charged to" }));
  await userEvent.click(await screen.findByRole("option", { name: "Research" }));
  await userEvent.click(screen.getByRole("button", { name: "Make key" }));
  expect(await screen.findByText("This is no address.")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Make key" }));
  await screen.findByText("sk-as-secret");
  expect(sent[1]).toMatchObject({
    name: "Robot",
    scopes: ["embedding"],
    allowed_ips: ["here"],
    group_id: "group-1",
    limits: someLimits({ budget_usd: "5" }),
  });
});

test("shows what a key is held to, and changes only what was changed", { timeout: 40_000 }, async () => {
  let sent: Record<string, unknown> = {};
  const limits = someLimits({ requests_per_minute: 60, budget_usd: "5" });
  server.use(
    models,
    http.get("*/api/v1/keys", () =>
      page([someKey({ limits, scopes: ["chat"], allowed_ips: ["10.0.0.0/8"], expires_at: "2999-01-01T10:00:00Z" })]),
    ),
    http.get("*/api/v1/groups/mine", () => HttpResponse.json({ items: [] })),
    http.patch("*/api/v1/keys/key-1", async ({ request }) => {
      sent = (await request.json()) as typeof sent;
      return HttpResponse.json(someKey());
    }),
  );
  open("keys");
  expect(await screen.findByText("for chat · 60 requests/min · $5.00 a month · from 10.0.0.0/8")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Actions for Laptop" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Edit" }));
  const dialog = await screen.findByRole("dialog", { name: "Edit Laptop" });
  await userEvent.clear(within(dialog).getByLabelText("Requests a minute"));
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() =>
    expect(sent).toEqual({
      name: "Laptop",
      scopes: ["chat"],
      allowed_ips: ["10.0.0.0/8"],
      group_id: null,
      limits: someLimits({ budget_usd: "5" }),
    }),
  );
});

test("rotates a key: the new secret shows once, the old one lasts as long as was said", async () => {
  let sent: unknown = null;
  server.use(
    models,
    http.get("*/api/v1/keys", () => page([someKey()])),
    http.post("*/api/v1/keys/key-1/rotate", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json({ key: someKey(), secret: "sk-as-new" });
    }),
  );
  open("keys");
  await userEvent.click(await screen.findByRole("button", { name: "Actions for Laptop" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Rotate" }));
  await userEvent.click(await screen.findByRole("combobox", { name: "The old secret" }));
  await userEvent.click(await screen.findByRole("option", { name: "One more day" }));
  await userEvent.click(screen.getByRole("button", { name: "Rotate key" }));
  expect(await screen.findByText("sk-as-new")).toBeVisible();
  expect(sent).toEqual({ grace_s: 86_400 });
  await userEvent.click(screen.getByRole("button", { name: "I have copied it" }));
  await waitFor(() => expect(screen.queryByText("sk-as-new")).not.toBeInTheDocument());
});

test("says why the keys could not be loaded", async () => {
  server.use(models, http.get("*/api/v1/keys", () => refusal(500, "internal", "The database is locked.")));
  open("keys");
  expect(await screen.findByText("The database is locked.")).toBeVisible();
});

test("changes the colours of the page", async () => {
  open("appearance");
  await userEvent.click(await screen.findByRole("radio", { name: "Dark" }));
  expect(screen.getByRole("radio", { name: "Dark" })).toBeChecked();
  expect(document.documentElement).toHaveAttribute("data-mantine-color-scheme", "dark");
});

test("says which version runs and that nothing leaves", async () => {
  open("about");
  expect(await screen.findByText("1.2.3")).toBeVisible();
  expect(screen.getByRole("heading", { name: "Nothing leaves the machine" })).toBeVisible();
});
