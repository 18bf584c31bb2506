import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { useState } from "react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { CollectionRef } from "@/lib/api";
import { ADA, modelOf } from "@/testing/fixtures";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import type { Attachment } from "../uploads";
import { Composer } from "./Composer";

type Options = { attachments?: Attachment[]; onStop?: (() => void) | null };

const READY: Attachment = {
  id: "f1",
  name: "report.pdf",
  sizeBytes: 1000,
  status: "ready",
  progress: 1,
  activity: "Ready",
  documentId: "d1",
  error: null,
  canRetry: true,
};

function setup({ attachments = [], onStop = null }: Options = {}) {
  const onSend = vi.fn();
  const onFiles = vi.fn();
  function Page() {
    const [draft, setDraft] = useState("");
    const [collections, setCollections] = useState<CollectionRef[]>([]);
    const [model, setModel] = useState<string | null>(null);
    return (
      <Composer
        draft={draft}
        onDraftChange={setDraft}
        attachments={attachments}
        onFiles={onFiles}
        onRemoveAttachment={vi.fn()}
        onRetryAttachment={vi.fn()}
        collections={collections}
        onCollectionsChange={setCollections}
        model={model}
        onModelChange={setModel}
        onSend={() => onSend(draft)}
        onStop={onStop}
        isSending={false}
        onCancelSending={vi.fn()}
      />
    );
  }
  renderPage(<Page />);
  return { onSend, onFiles, user: userEvent.setup() };
}

describe("Composer", () => {
  beforeEach(() =>
    server.use(
      http.get("*/api/v1/auth/state", () => HttpResponse.json({ setup_required: false, user: ADA, csrf_token: "t", version: "0" })),
      http.get("*/api/v1/models", () =>
        HttpResponse.json({
          items: [modelOf({}), modelOf({ id: "qwen2.5:0.5b", name: "qwen2.5:0.5b", is_default: false, is_generative: true })],
          notice: "No generative model is installed.",
        }),
      ),
      http.get("*/api/v1/knowledge/collections", () =>
        HttpResponse.json({
          items: [
            { id: "k1", name: "Handbook", description: "", kind: "collection", document_count: 3 },
            { id: "k2", name: "Papers", description: "", kind: "collection", document_count: 1 },
          ],
          next_cursor: null,
        }),
      ),
    ),
  );

  it("sends with Enter and makes a new line with Shift+Enter", async () => {
    const { onSend, user } = setup();
    const field = await screen.findByRole("textbox", { name: "Message" });
    await user.type(field, "one{Shift>}{Enter}{/Shift}two");
    expect(onSend).not.toHaveBeenCalled();
    await user.type(field, "{Enter}");
    expect(onSend).toHaveBeenCalledExactlyOnceWith("one\ntwo");
  });

  it("sends nothing that is empty", async () => {
    const { onSend, user } = setup();
    await user.type(await screen.findByRole("textbox", { name: "Message" }), "   {Enter}");
    await user.click(screen.getByRole("button", { name: /Send message/ }));
    expect(onSend).not.toHaveBeenCalled();
  });

  it("stops instead of sending while an answer is written, and keeps the draft", async () => {
    const onStop = vi.fn();
    const { onSend, user } = setup({ onStop });
    const field = await screen.findByRole("textbox", { name: "Message" });
    await user.type(field, "next{Enter}");
    expect(onSend).not.toHaveBeenCalled();
    expect(field).toHaveValue("next");
    await user.click(screen.getByRole("button", { name: /Stop answering/ }));
    expect(onStop).toHaveBeenCalledOnce();
  });

  it("holds the message while a file has failed, and says why", async () => {
    const failed: Attachment = { ...READY, status: "failed", error: "This PDF needs a password." };
    const { onSend, user } = setup({ attachments: [failed] });
    await user.type(await screen.findByRole("textbox", { name: "Message" }), "what?{Enter}");
    expect(onSend).not.toHaveBeenCalled();
    expect(screen.getByRole("alert")).toHaveTextContent("This PDF needs a password.");
    expect(screen.getByRole("button", { name: "Try report.pdf again" })).toBeVisible();
    expect(screen.getByRole("button", { name: "Remove report.pdf" })).toBeVisible();
  });

  it("takes pasted files, and leaves pasted text alone", async () => {
    const { onFiles, user } = setup();
    const field = await screen.findByRole("textbox", { name: "Message" });
    await user.click(field);
    await user.paste("just text");
    expect(onFiles).not.toHaveBeenCalled();
    expect(field).toHaveValue("just text");
  });

  it("adds a collection by #mention, with the keyboard alone", async () => {
    const { onSend, user } = setup();
    const field = await screen.findByRole("textbox", { name: "Message" });
    await user.type(field, "ask #pap");
    expect(await screen.findByRole("option", { name: "Papers" })).toHaveAttribute("aria-selected", "true");
    await user.keyboard("{Enter}");
    expect(onSend).not.toHaveBeenCalled();
    expect(field).toHaveValue("ask ");
    expect(screen.getByRole("button", { name: "Remove Papers" })).toBeInTheDocument();
  });

  it("shows the chosen model, and the notice when no generative one is there", async () => {
    const { user } = setup();
    const picker = await screen.findByRole("button", { name: "Model: alcove/reader" });
    await user.click(picker);
    expect(await screen.findByText("No generative model is installed.")).toBeInTheDocument();
    await user.click(screen.getByRole("option", { name: /qwen/ }));
    await waitFor(() => expect(screen.getByRole("button", { name: "Model: qwen2.5:0.5b" })).toBeInTheDocument());
  });
});
