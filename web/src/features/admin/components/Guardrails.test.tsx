import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, expect, test } from "vitest";
import { authStateQuery, createQueryClient } from "@/lib/api";
import { page, refusal, someDeployment, someGroup, someGuardrail, someLimits, someModelGroup, someUser } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { AdminPage } from "./AdminPage";

function open() {
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser(), csrf_token: "t", version: "1.2.3" });
  return renderPage(<AdminPage />, { path: "/admin/guardrails", route: "/admin/$", client });
}

beforeEach(() => {
  server.use(
    http.get("*/api/v1/guardrails", () => page([someGuardrail()])),
    http.get("*/api/v1/deployments", () => page([])),
    http.get("*/api/v1/model-groups", () => page([])),
    http.get("*/api/v1/groups", () => page([])),
    http.get("*/api/v1/users", () => page([someUser()])),
  );
});

async function openAddDialog(): Promise<HTMLElement> {
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Add guardrail" }));
  return await screen.findByRole("dialog", { name: "Add guardrail" });
}

async function choose(field: string, option: string): Promise<void> {
  await userEvent.click(screen.getByRole("combobox", { name: field }));
  await userEvent.click(await screen.findByRole("option", { name: option }));
}

/** Writes at once: braces mean keys to `type`. */
async function fill(field: HTMLElement, text: string): Promise<void> {
  await userEvent.click(field);
  await userEvent.paste(text);
}

test("tells what each does, where it is on, and what it did", async () => {
  server.use(
    http.get("*/api/v1/guardrails", () =>
      page([
        someGuardrail({ id: "settings-house", name: "house", source: "settings", models: ["openai/*"], actions: { redact: 12 } }),
        someGuardrail({
          name: "projects",
          rule: {
            kind: "block",
            words: ["Falcon", "Heron"],
            patterns: ["FAL-[0-9]{4}"],
            is_case_sensitive: false,
            looks_at: ["input"],
            action: "refuse",
            message: "",
            window: 256,
          },
        }),
        someGuardrail({ id: "g-3", name: "lonely" }),
        someGuardrail({ id: "g-4", name: "off", enabled: false, always_on: true }),
      ]),
    ),
    http.get("*/api/v1/model-groups", () => page([someModelGroup({ guards: ["projects"] })])),
    http.get("*/api/v1/groups", () => page([someGroup({ limits: someLimits({ guards: ["projects"] }) })])),
  );
  open();
  const list = await screen.findByRole("list", { name: "Guardrails" });
  await within(list).findByText(/model group fast/);
  const [house, projects, lonely, off] = within(list).getAllByRole("listitem");
  expect(house).toHaveTextContent("Hides secrets and all personal data it knows from models.");
  expect(house).toHaveTextContent("On for model openai/* · hid 12 times since the start");
  expect(within(house ?? document.body).queryByRole("switch")).not.toBeInTheDocument();
  expect(projects).toHaveTextContent("Refuses 2 words and 1 pattern in questions.");
  expect(projects).toHaveTextContent("On for model group fast and group Research · not used since the start");
  expect(lonely).toHaveTextContent("Named by no model, group or person yet");
  expect(off).toHaveTextContent("Switched off · not used");
});

test("warns where a guardrail is named that is not there", async () => {
  server.use(http.get("*/api/v1/deployments", () => page([someDeployment({ options: { ...someDeployment().options, guards: ["lost"] } })])));
  open();
  expect(await screen.findByRole("alert")).toHaveTextContent("“lost” must be on for server lab.");
});

test("invites to the first one, and says why there is no list", async () => {
  server.use(http.get("*/api/v1/guardrails", () => page([]), { once: true }));
  const { unmount } = open();
  expect(await screen.findByRole("heading", { name: "No guardrail yet" })).toBeVisible();
  unmount();
  server.use(http.get("*/api/v1/guardrails", () => refusal(503, "away", "The database is away.")));
  open();
  expect(await screen.findByText("The database is away.")).toBeVisible();
  expect(screen.getByRole("button", { name: "Try again" })).toBeVisible();
});

test("adds one that hides", async () => {
  let sent: unknown = null;
  server.use(
    http.post("*/api/v1/guardrails", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someGuardrail(), { status: 201 });
    }),
  );
  const dialog = await openAddDialog();
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  expect(await within(dialog).findByText("Give the guardrail a name.")).toBeVisible();
  await userEvent.type(within(dialog).getByLabelText("Name"), "mail");
  for (const checked of within(dialog).getAllByRole<HTMLInputElement>("checkbox", { checked: true })) {
    if (checked.value !== "email") await userEvent.click(checked);
  }
  await userEvent.click(within(dialog).getByRole("checkbox", { name: "On for everybody and every model" }));
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  await waitFor(() => expect(sent).toEqual({ name: "mail", rule: { kind: "redact", finds: ["email"], masks_output: false }, always_on: true }));
  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
});

test("says that a pattern is none while it is written, and again when it is sent", { timeout: 40_000 }, async () => {
  const wrong = "'(?=a)' is no pattern of RE2: invalid perl operator: (?=";
  server.use(
    http.post("*/api/v1/guardrails/test", () => refusal(400, "invalid", "Refused.", [{ field: "rule.block.patterns.0", message: wrong }])),
    http.post("*/api/v1/guardrails", () => refusal(400, "invalid", "Refused.", [{ field: "rule.block.patterns.1", message: "is too large" }])),
  );
  const dialog = await openAddDialog();
  await userEvent.type(within(dialog).getByLabelText("Name"), "projects");
  await choose("What it does", "Ban words and patterns");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  expect(await within(dialog).findByText("Write at least one word or pattern.")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Add pattern" }));
  expect(within(dialog).queryByText("Write at least one word or pattern.")).not.toBeInTheDocument();
  await fill(within(dialog).getByRole("textbox", { name: "Pattern 1" }), "(?=a)");
  expect(await within(dialog).findByText(wrong)).toBeVisible();
  expect(within(dialog).getByRole("textbox", { name: "Pattern 1" })).toBeInvalid();
  await userEvent.click(within(dialog).getByRole("button", { name: "Add pattern" }));
  await fill(within(dialog).getByRole("textbox", { name: "Pattern 2" }), "x{1000}");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  expect(await within(dialog).findByText("This is too large.")).toBeVisible();
});

test("wants one limit at least, and sends those that are set", async () => {
  let sent: unknown = null;
  server.use(
    http.post("*/api/v1/guardrails", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someGuardrail(), { status: 201 });
    }),
  );
  const dialog = await openAddDialog();
  await userEvent.type(within(dialog).getByLabelText("Name"), "small");
  await choose("What it does", "Limit the size of requests");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  expect(await within(dialog).findByText("Set at least one limit.")).toBeVisible();
  await userEvent.type(within(dialog).getByLabelText("Messages"), "20");
  await userEvent.type(within(dialog).getByLabelText("Images"), "0");
  await userEvent.click(within(dialog).getByRole("button", { name: "Add guardrail" }));
  await waitFor(() =>
    expect(sent).toMatchObject({ rule: { kind: "limit_prompt", max_characters: null, max_tokens: null, max_messages: 20, max_images: 0 } }),
  );
});

test("tries a rule that is not saved yet, without a name", async () => {
  let sent: unknown = null;
  server.use(
    http.post("*/api/v1/guardrails/test", async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json({ action: "redact", text: "Write to <EMAIL_1>", found: { email: 1, secret: 2 }, message: "" });
    }),
  );
  const dialog = await openAddDialog();
  await userEvent.click(within(dialog).getByRole("button", { name: /^Try it/ }));
  await userEvent.type(within(dialog).getByLabelText("A text"), "Write to ada@example.org");
  await userEvent.click(within(dialog).getByRole("button", { name: "Try the text" }));
  expect(await within(dialog).findByText("Hidden: 1 email address and 2 secrets.")).toBeVisible();
  expect(within(dialog).getByText("Write to <EMAIL_1>")).toBeVisible();
  expect(sent).toMatchObject({ text: "Write to ada@example.org", direction: "input", rule: { kind: "redact" } });
  expect(sent).not.toHaveProperty("name");
  expect(within(dialog).getByLabelText("Name")).toBeValid();
});

test("tries a text on one of the settings", async () => {
  server.use(
    http.get("*/api/v1/guardrails", () => page([someGuardrail({ name: "house", source: "settings" })])),
    http.post("*/api/v1/guardrails/test", () =>
      HttpResponse.json({ action: "refuse", text: "", found: { matches: 1 }, message: "The guardrail 'house' does not allow this." }),
    ),
  );
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Actions for house" }));
  expect(screen.queryByRole("menuitem", { name: "Edit" })).not.toBeInTheDocument();
  await userEvent.click(await screen.findByRole("menuitem", { name: "Try a text" }));
  const dialog = await screen.findByRole("dialog", { name: "Try house" });
  await userEvent.type(within(dialog).getByLabelText("A text"), "falcon");
  await userEvent.click(within(dialog).getByRole("button", { name: "Try the text" }));
  expect(await within(dialog).findByText("The request would be refused.")).toBeVisible();
  expect(within(dialog).getByText("The guardrail 'house' does not allow this.")).toBeVisible();
});

test("edits, warning of a new name, switches off, and deletes after telling who names it", async () => {
  const changes: unknown[] = [];
  let deleted = "";
  server.use(
    http.get("*/api/v1/model-groups", () => page([someModelGroup({ guards: ["pii"] })])),
    http.patch("*/api/v1/guardrails/g-1", async ({ request }) => {
      changes.push(await request.json());
      return HttpResponse.json(someGuardrail());
    }),
    http.delete("*/api/v1/guardrails/:id", ({ params }) => {
      deleted = String(params["id"]);
      return new HttpResponse(null, { status: 204 });
    }),
  );
  open();
  await screen.findByText(/On for model group fast/);
  await userEvent.click(screen.getByRole("switch", { name: "Use pii" }));
  await waitFor(() => expect(changes).toEqual([{ enabled: false }]));
  await userEvent.click(screen.getByRole("button", { name: "Actions for pii" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Edit" }));
  const dialog = await screen.findByRole("dialog", { name: "Edit pii" });
  await userEvent.type(within(dialog).getByLabelText("Name"), "2");
  expect(within(dialog).getByText(/model group fast names it pii/)).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(changes[1]).toMatchObject({ name: "pii2" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  await userEvent.click(screen.getByRole("button", { name: "Actions for pii" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  expect(await screen.findByText(/model group fast still names pii/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Delete guardrail" }));
  await waitFor(() => expect(deleted).toBe("g-1"));
});

test("who sets limits chooses among the guardrails there are, and is warned of a name that leads to none", async () => {
  server.use(
    http.get("*/api/v1/models", () => HttpResponse.json({ items: [], notice: null })),
    http.get("*/api/v1/groups", () => page([])),
  );
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user: someUser(), csrf_token: "t", version: "1.2.3" });
  renderPage(<AdminPage />, { path: "/admin/groups", route: "/admin/$", client });
  await userEvent.click(await screen.findByRole("button", { name: "Add group" }));
  const dialog = await screen.findByRole("dialog", { name: "Add group" });
  const field = within(dialog).getByRole("combobox", { name: "Guardrails" });
  await userEvent.click(field);
  await userEvent.click(await screen.findByRole("option", { name: "pii" }));
  expect(within(dialog).queryByText(/There is no guardrail/)).not.toBeInTheDocument();
  await userEvent.type(field, "gone{Enter}");
  expect(await within(dialog).findByText("There is no guardrail “gone”: requests would be refused.")).toBeVisible();
  expect(within(dialog).getByText("gone")).toBeVisible();
});
