import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Message } from "@/lib/api";
import { messageOf, problemOf, sourceOf } from "@/testing/fixtures";
import { renderPage } from "@/testing/render";
import { ChatSessionProvider } from "../session";
import { plainText } from "./Announcer";
import { AssistantMessage } from "./AssistantMessage";
import { citedNumbers } from "./SourceList";

const ALONE = { index: 0, count: 1, previous: null, next: null };
const SOURCES = [sourceOf({ number: 1 }), sourceOf({ number: 2, document: "policy.docx", page: null }), sourceOf({ number: 3, document: "travel.md" })];

function setup(message: Message) {
  const handlers = { onOpenSource: vi.fn(), onRegenerate: vi.fn(), onSwitch: vi.fn() };
  renderPage(
    <ChatSessionProvider>
      <AssistantMessage message={message} position={ALONE} shownSource={null} canRegenerate {...handlers} />
    </ChatSessionProvider>,
  );
  return { ...handlers, user: userEvent.setup() };
}

describe("AssistantMessage", () => {
  it("opens the source of a marker", async () => {
    const message = messageOf({ content: "Thirty days [1]. Ask early [2].", sources: SOURCES });
    const { onOpenSource, user } = setup(message);
    await user.click(await screen.findByRole("button", { name: "Source 2: policy.docx" }));
    expect(onOpenSource).toHaveBeenCalledWith(message, 2);
    expect(screen.getByRole("button", { name: "Source 1: handbook.pdf, page 4" })).toBeInTheDocument();
  });

  it("leaves a marker without a source as text", async () => {
    setup(messageOf({ content: "Thirty days [7].", sources: SOURCES }));
    expect(await screen.findByText(/\[7\]/)).toBeInTheDocument();
  });

  it("lists the cited sources, and the others on request", async () => {
    const { user } = setup(messageOf({ content: "Thirty days [1].", sources: SOURCES }));
    const list = await screen.findByRole("region", { name: "Sources" });
    expect(list).toHaveTextContent("handbook.pdf");
    expect(list).not.toHaveTextContent("travel.md");
    await user.click(screen.getByRole("button", { name: "2 more found" }));
    expect(list).toHaveTextContent("travel.md");
  });

  it("links to the trace and shows what the answer cost", async () => {
    setup(messageOf({ content: "Yes.", trace_id: "t1", usage: { input_tokens: 1200, output_tokens: 34 } }));
    expect(await screen.findByRole("link", { name: /View trace/ })).toHaveAttribute("href", "/traces/t1");
    expect(screen.getByText("qwen2.5:0.5b · 2.0 s · 1,234 tokens")).toBeInTheDocument();
  });

  it("says why an answer failed, and tries again", async () => {
    const error = problemOf({ title: "The model cannot be reached", detail: "Start it first." });
    const message = messageOf({ status: "failed", error });
    const { onRegenerate, user } = setup(message);
    expect(await screen.findByRole("alert")).toHaveTextContent("The model cannot be reachedStart it first.");
    await user.click(screen.getByRole("button", { name: "Retry" }));
    expect(onRegenerate).toHaveBeenCalledWith(message);
  });

  it("keeps what an interrupted answer had", async () => {
    setup(messageOf({ status: "interrupted", content: "The moon pulls" }));
    expect(await screen.findByText("The moon pulls")).toBeInTheDocument();
    expect(screen.getByRole("alert")).toHaveTextContent("This answer was interrupted");
  });
});

describe("citedNumbers", () => {
  it("reads markers and citations", () => {
    const citations = [{ number: 4, quote: "", start: null, end: null }];
    expect([...citedNumbers({ content: "a [1] b [2, 3] c [x]", citations })].sort()).toEqual([1, 2, 3, 4]);
  });
});

describe("plainText", () => {
  it("is what is read aloud", () => {
    expect(plainText("**Thirty** days [1]. See [docs](https://x.org).\n\n```py\nx = 1\n```\n- one")).toBe("Thirty days. See docs. Code. - one");
  });
});
