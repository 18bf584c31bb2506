import { describe, expect, it } from "vitest";
import { messageOf, problemOf, sourceOf } from "@/testing/fixtures";
import { parseAnswerEvent } from "./events";
import { type Answer, type AnswerAction, EMPTY_ANSWER, messageWith, reduceAnswer } from "./reducer";

const delta = (id: number, content: string, reasoning = ""): AnswerAction => ({
  type: "event",
  id,
  event: { type: "delta", content, reasoning },
});
const run = (...actions: AnswerAction[]): Answer => actions.reduce(reduceAnswer, EMPTY_ANSWER);

describe("reduceAnswer", () => {
  it("builds an answer from its events", () => {
    const sources = [sourceOf({})];
    const citations = [{ number: 1, quote: "30 days", start: null, end: null }];
    const answer = run(
      { type: "event", id: 1, event: { type: "status", stage: "retrieving", detail: "Searching 3 documents" } },
      { type: "event", id: 2, event: { type: "sources", sources } },
      delta(3, "", "Let me see."),
      delta(4, "Thirty "),
      delta(5, "days [1]."),
      { type: "event", id: 6, event: { type: "citations", citations } },
    );
    expect(answer).toMatchObject({
      lastEventId: 6,
      phase: "generating",
      content: "Thirty days [1].",
      reasoning: "Let me see.",
      sources,
      citations,
      final: null,
    });
  });

  it("takes a replayed event once", () => {
    const once = run(delta(1, "a"), delta(2, "b"));
    expect([delta(1, "a"), delta(2, "b"), delta(3, "c")].reduce(reduceAnswer, once).content).toBe("abc");
  });

  it("keeps what the server stored when the answer is done", () => {
    const message = messageOf({ content: "Thirty days.", status: "complete" });
    const answer = run(delta(1, "Thirty d"), { type: "event", id: 2, event: { type: "done", message } });
    expect(answer).toMatchObject({ phase: "finished", content: "Thirty days.", final: message });
    expect(reduceAnswer(answer, delta(3, " more"))).toBe(answer);
  });

  it("takes the end even when the server numbers it from 1 again", () => {
    const message = messageOf({ status: "interrupted" });
    const answer = run(delta(40, "x"), { type: "event", id: 1, event: { type: "done", message } });
    expect(answer.final).toBe(message);
  });

  it("puts the reason of a failure on the message", () => {
    const error = problemOf({});
    const answer = run({ type: "event", id: 1, event: { type: "error", error, message: messageOf({ status: "failed" }) } });
    expect(answer.final?.error).toEqual(error);
  });

  it("notes a lost connection and changes nothing else", () => {
    const answer = run(delta(1, "a"), { type: "connection", isConnected: false });
    expect(answer).toMatchObject({ content: "a", isConnected: false });
    expect(reduceAnswer(answer, { type: "connection", isConnected: false })).toBe(answer);
  });
});

describe("messageWith", () => {
  const stored = messageOf({ status: "streaming", content: "Thir" });

  it("shows what was stored until the first event is in", () => {
    expect(messageWith(stored, EMPTY_ANSWER)).toBe(stored);
  });

  it("shows what is longer known once events come", () => {
    expect(messageWith(stored, run(delta(1, "Thirty"))).content).toBe("Thirty");
  });
});

describe("parseAnswerEvent", () => {
  it.each([
    ["not JSON", "delta", "{"],
    ["not an object", "delta", "[]"],
    ["an unknown name", "execute", '{"code":"alert(1)"}'],
    ["a final event without a message", "done", "{}"],
    ["sources that are no list", "sources", '{"sources":5}'],
  ])("skips %s", (_what, name, data) => {
    expect(parseAnswerEvent({ id: 1, name, data })).toBeNull();
  });

  it("reads a delta whose fields are left out or of another type", () => {
    expect(parseAnswerEvent({ id: 1, name: "delta", data: '{"content":5}' })).toEqual({ type: "delta", content: "", reasoning: "" });
  });
});
