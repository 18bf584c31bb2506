import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { authStateQuery, createQueryClient, type LocalModel, type Pull, type RunningModel, type User } from "@/lib/api";
import {
  localModels,
  page,
  refusal,
  runningList,
  someKnownModel,
  someLocalModel,
  somePull,
  someRunningModel,
  someUser,
} from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { ModelsPage } from "./ModelsPage";

const RUNTIME = "*/api/v1/runtime";

/** The server's side of the stream: what is sent by hand is what the page is told. */
class Events {
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly #encoder = new TextEncoder();

  constructor(models: RunningModel[]) {
    server.use(
      http.get(`${RUNTIME}/running/events`, () => {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => {
            this.#controller = controller;
            this.send("snapshot", models);
          },
        });
        return new HttpResponse(body, { headers: { "content-type": "text/event-stream" } });
      }),
    );
  }

  send(name: "snapshot" | "change", models: RunningModel[]): void {
    this.#controller?.enqueue(this.#encoder.encode(`event: ${name}\ndata: ${JSON.stringify(runningList(models))}\n\n`));
  }
}

type World = { installed?: LocalModel[]; running?: RunningModel[]; pulls?: Pull[]; user?: User };

function open({ installed = [someLocalModel()], running = [], pulls = [], user = someUser() }: World = {}) {
  const events = new Events(running);
  server.use(
    http.get(`${RUNTIME}/models`, () => HttpResponse.json(localModels(installed))),
    http.get(`${RUNTIME}/known-models`, () =>
      HttpResponse.json({ items: [someKnownModel(), someKnownModel({ name: "phi4:14b", group: "general", fits: false })] }),
    ),
    http.get(`${RUNTIME}/pulls`, () => page(pulls)),
  );
  const client = createQueryClient();
  client.setQueryData(authStateQuery.queryKey, { setup_required: false, user, csrf_token: "t", version: "1.2.3" });
  renderPage(<ModelsPage />, { path: "/models", client });
  return events;
}

const installedRow = async () => {
  const [row] = within(await screen.findByRole("list", { name: "Installed models" })).getAllByRole("listitem");
  if (!row) throw new Error("no row");
  return row;
};

test("shows what is installed, and follows what it does", async () => {
  const events = open();
  const row = await installedRow();
  expect(row).toHaveTextContent("qwen2 · 494M · Q4_K_M · 398 MB on disk");
  expect(row).toHaveTextContent("Needs 560 MB of memory, which fits");
  expect(row).toHaveTextContent("not loaded");
  expect(await screen.findByText("live")).toBeVisible();
  events.send("change", [someRunningModel({ queued: 2 })]);
  const running = await screen.findByRole("list", { name: "Running models" });
  expect(running).toHaveTextContent("600 MB · 1 of 4 slots at work, 2 wait · context 4,096 · 31.4 tokens/s");
  expect(screen.getByText(/of 4.0 GB of memory taken/)).toHaveTextContent("600 MB of 4.0 GB");
  expect(within(row).getByRole("button", { name: "Unload qwen2.5:0.5b" })).toBeVisible();
  events.send("change", [someRunningModel({ state: "failed", reason: "It ran out of memory.", stderr: ["line 1", "line 2"] })]);
  expect(await within(row).findByText("It ran out of memory.")).toBeVisible();
  await userEvent.click(within(running).getByRole("button", { name: /Last lines of its process/ }));
  expect(await within(running).findByText(/line 2/)).toBeInTheDocument();
});

test("loads, and says at the model why that did not work", async () => {
  let asked: unknown = null;
  server.use(
    http.post(`${RUNTIME}/running`, async ({ request }) => {
      asked = await request.json();
      return refusal(507, "not_enough_memory", "It needs 9 GB; 4 GB are for local models.");
    }),
  );
  open();
  const row = await installedRow();
  await userEvent.click(within(row).getByRole("button", { name: "Load qwen2.5:0.5b" }));
  expect(await within(row).findByRole("alert")).toHaveTextContent("It needs 9 GB; 4 GB are for local models.");
  expect(asked).toEqual({ model: "qwen2.5:0.5b" });
});

test("pins and deletes a model whose name has a slash, the second only when asked twice", async () => {
  const asked: string[] = [];
  const note = ({ request }: { request: Request }) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    return new HttpResponse(null, { status: 204 });
  };
  server.use(http.put(`${RUNTIME}/pins/:name`, note), http.delete(`${RUNTIME}/models/:name`, note));
  open({ installed: [someLocalModel({ name: "team/brief:1" })] });
  const row = await installedRow();
  await userEvent.click(within(row).getByRole("button", { name: "Actions for team/brief:1" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: /^Pin/ }));
  await waitFor(() => expect(asked).toEqual(["PUT /api/v1/runtime/pins/team%2Fbrief%3A1"]));
  await userEvent.click(within(row).getByRole("button", { name: "Actions for team/brief:1" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Delete" }));
  expect(asked).toHaveLength(1);
  await userEvent.click(await screen.findByRole("button", { name: "Delete model" }));
  await waitFor(() => expect(asked[1]).toBe("DELETE /api/v1/runtime/models/team%2Fbrief%3A1"));
});

test("who is no administrator looks, and is offered no change", async () => {
  open({ user: someUser({ role: "user" }), running: [someRunningModel()], pulls: [somePull()] });
  const row = await installedRow();
  expect(within(row).getByRole("button", { name: "Test qwen2.5:0.5b" })).toBeVisible();
  expect(await screen.findByRole("list", { name: "Running models" })).toBeVisible();
  expect(await screen.findByRole("list", { name: "Pulls" })).toHaveTextContent("25 %");
  for (const name of [/Load/, /Unload/, /Actions/, /^Pull/, /Create a variant/, /Cancel/]) {
    expect(screen.queryByRole("button", { name })).not.toBeInTheDocument();
  }
});

test("without a model says how to get one, and leads there", async () => {
  open({ installed: [] });
  expect(await screen.findByRole("heading", { name: "No model on this machine yet" })).toBeVisible();
  expect(screen.getByText(/Nothing is asked of another machine until you do/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Pull a first model" }));
  expect(screen.getByRole("textbox", { name: "Model" })).toHaveFocus();
});

test("pulls by name, shows how it goes, and cancels", async () => {
  const bodies: unknown[] = [];
  let cancelled = "";
  server.use(
    http.post(`${RUNTIME}/pulls`, async ({ request }) => {
      bodies.push(await request.json());
      return HttpResponse.json(somePull(), { status: 202 });
    }),
    http.delete(`${RUNTIME}/pulls/:id`, ({ params }) => {
      cancelled = String(params["id"]);
      return new HttpResponse(null, { status: 204 });
    }),
  );
  open({ pulls: [somePull(), somePull({ id: "pull-0", model: "old:1", state: "failed", error: "The disk is full." })] });
  const field = await screen.findByRole("textbox", { name: "Model" });
  await userEvent.type(field, " hf.co/a/b:Q4_K_M {Enter}");
  await waitFor(() => expect(bodies).toEqual([{ model: "hf.co/a/b:Q4_K_M", name: "", insecure: false }]));
  const pulls = await screen.findByRole("list", { name: "Pulls" });
  expect(pulls).toHaveTextContent("25 % · 100 MB of 400 MB · 10.0 MB/s · 30.0 s left");
  expect(within(pulls).getByText("The disk is full.")).toBeVisible();
  await userEvent.click(within(pulls).getByRole("button", { name: "Cancel the pull of qwen2.5:0.5b" }));
  await waitFor(() => expect(cancelled).toBe("pull-1"));
  await userEvent.click(within(pulls).getByRole("button", { name: "Dismiss the pull of old:1" }));
  expect(within(pulls).queryByText("The disk is full.")).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Pull llama3.2:1b" }));
  await waitFor(() => expect(bodies[1]).toEqual({ model: "llama3.2:1b", name: "", insecure: false }));
  expect(screen.getByText("too large for the memory here")).toBeVisible();
});

test("a registry that may not be asked is said under the field", async () => {
  server.use(http.post(`${RUNTIME}/pulls`, () => refusal(403, "registry_not_allowed", "evil.example.org may not be asked.")));
  open();
  await userEvent.type(await screen.findByRole("textbox", { name: "Model" }), "evil.example.org/a/b");
  await userEvent.click(screen.getByRole("button", { name: "Pull" }));
  expect(await screen.findByText("evil.example.org may not be asked.")).toBeVisible();
});

test("makes a variant of a model", { timeout: 30_000 }, async () => {
  let sent: unknown = null;
  server.use(
    http.post(`${RUNTIME}/models`, async ({ request }) => {
      sent = await request.json();
      return HttpResponse.json(someLocalModel({ name: "team/brief:latest" }), { status: 201 });
    }),
  );
  open();
  await userEvent.click(await screen.findByRole("button", { name: "Create a variant" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Name"), "team/brief");
  await userEvent.type(within(dialog).getByLabelText(/System prompt/), "Be brief.");
  await userEvent.type(within(dialog).getByLabelText(/Parameters/), "temperature");
  await userEvent.click(within(dialog).getByRole("button", { name: "Create variant" }));
  expect(await within(dialog).findByText(/Line 1 needs a name and a value/)).toBeVisible();
  await userEvent.type(within(dialog).getByLabelText(/Parameters/), " 0.2");
  await userEvent.click(within(dialog).getByRole("button", { name: "Create variant" }));
  await waitFor(() => expect(sent).not.toBeNull());
  expect(sent).toEqual({ name: "team/brief", origin: "qwen2.5:0.5b", system: "Be brief.", template: "", parameters: { temperature: 0.2 } });
  expect(await screen.findByText("Made team/brief:latest.")).toBeVisible();
});

test("a test prompt streams, and tells how fast; a refusal is shown", { timeout: 30_000 }, async () => {
  let sent: { model?: string } = {};
  const chunks = [
    { choices: [{ delta: { role: "assistant" } }] },
    { choices: [{ delta: { content: "Good " } }] },
    { choices: [{ delta: { content: "day." } }] },
    { choices: [], usage: { completion_tokens: 7 } },
  ];
  server.use(
    http.post("*/v1/chat/completions", async ({ request }) => {
      sent = (await request.json()) as { model?: string };
      const lines = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");
      return new HttpResponse(`${lines}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
    }),
  );
  open();
  await userEvent.click(within(await installedRow()).getByRole("button", { name: "Test qwen2.5:0.5b" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Send" }));
  expect(await within(dialog).findByText("Good day.")).toBeVisible();
  expect(within(dialog).getByLabelText("Speed")).toHaveTextContent("Tokens7in the answer");
  expect(sent.model).toBe("local/qwen2.5:0.5b");
  server.use(
    http.post("*/v1/chat/completions", () =>
      HttpResponse.json({ error: { message: "128 requests wait already.", type: "overloaded_error", code: "queue_full" } }, { status: 503 }),
    ),
  );
  await userEvent.click(within(dialog).getByRole("button", { name: "Send" }));
  expect(await within(dialog).findByRole("alert")).toHaveTextContent("128 requests wait already.");
});
