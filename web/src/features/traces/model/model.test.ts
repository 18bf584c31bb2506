import { expect, test } from "vitest";
import { someObservation, someTrace } from "@/testing/answers";
import { costText, durationText } from "./figures";
import { axisTicks, layoutObservations } from "./layout";
import { hasGap, mergeTraces } from "./mergeTraces";
import { readPayload } from "./payload";

const START = "2026-11-20T10:00:00.000Z";
const at = (ms: number) => new Date(Date.parse(START) + ms).toISOString();
const NONE: ReadonlySet<string> = new Set();
const namesOf = (closed: ReadonlySet<string>, ...list: ReturnType<typeof someObservation>[]) =>
  layoutObservations(list, START, closed).rows.map((row) => `${"·".repeat(row.depth)}${row.observation.id}`);

test("observations stand under their parent, in the order they began", () => {
  const list = [
    someObservation({ id: "late", parent_id: "root", started_at: at(50) }),
    someObservation({ id: "root", started_at: at(0) }),
    someObservation({ id: "inner", parent_id: "early", started_at: at(20) }),
    someObservation({ id: "early", parent_id: "root", started_at: at(10) }),
  ];
  expect(namesOf(NONE, ...list)).toEqual(["root", "·early", "··inner", "·late"]);
  expect(namesOf(new Set(["early"]), ...list)).toEqual(["root", "·early", "·late"]);
});

test("an observation whose parent never came stands at the top, and a cycle does not hang", () => {
  const orphan = someObservation({ id: "orphan", parent_id: "gone" });
  const one = someObservation({ id: "one", parent_id: "two", started_at: at(1) });
  const two = someObservation({ id: "two", parent_id: "one", started_at: at(2) });
  expect(namesOf(NONE, orphan, one, two)).toEqual(["orphan", "one", "two"]);
});

test("ten thousand observations, each inside the one before, are laid out at once", () => {
  const list = Array.from({ length: 10_000 }, (_, index) =>
    someObservation({ id: `o${index}`, parent_id: index === 0 ? null : `o${index - 1}`, started_at: at(index) }),
  );
  const { rows, totalMs } = layoutObservations(list, START, NONE);
  expect(rows).toHaveLength(10_000);
  expect(rows.at(-1)?.depth).toBe(9999);
  expect(totalMs).toBe(9999 + 2000);
});

test("the axis has round, few times within the trace", () => {
  expect(axisTicks(2412, 4)).toEqual([0, 1000, 2000]);
  expect(axisTicks(90, 4)).toEqual([0, 50]);
  for (const total of [1, 7, 333, 60_000, 3_600_000]) {
    const ticks = axisTicks(total, 4);
    expect(ticks.length).toBeLessThanOrEqual(5);
    expect(ticks.every((tick) => tick <= total)).toBe(true);
  }
});

test("new traces come on top and known ones are shown as they are now", () => {
  const loaded = [someTrace({ id: "b", output_tokens: 1 }), someTrace({ id: "a" })];
  const latest = [someTrace({ id: "c" }), someTrace({ id: "b", output_tokens: 7 })];
  const merged = mergeTraces(loaded, latest);
  expect(merged.map((trace) => trace.id)).toEqual(["c", "b", "a"]);
  expect(merged[1]?.output_tokens).toBe(7);
  expect(hasGap(loaded, latest)).toBe(false);
  expect(hasGap(loaded, [someTrace({ id: "z" })])).toBe(true);
  expect(hasGap([], [])).toBe(false);
});

test("a payload is recognised as messages, passages, text or plain JSON", () => {
  expect(readPayload(null).kind).toBe("nothing");
  expect(readPayload("hello")).toEqual({ kind: "text", text: "hello" });
  expect(readPayload({ messages: [{ role: "user", content: [{ type: "text", text: "look" }, { type: "image_url" }] }] })).toEqual({
    kind: "messages",
    messages: [{ role: "user", text: "look", toolCalls: [], note: "with image url" }],
  });
  expect(readPayload({ role: "assistant", content: null, tool_calls: [{ id: "1" }] }).kind).toBe("messages");
  expect(readPayload({ sources: [{ text: "a", score: 0.5, document: "x.pdf", page: 2 }] }).kind).toBe("chunks");
  expect(readPayload([{ name: "no score" }]).kind).toBe("json");
  expect(readPayload({ a: 1 }).kind).toBe("json");
});

test("figures say what is not known", () => {
  expect(costText(null)).toBe("unpriced");
  expect(costText("0")).toBe("$0");
  expect(costText("0.00002")).toBe("< $0.0001");
  expect(costText("0.0134")).toBe("$0.013");
  expect(costText("12.5")).toBe("$12.50");
  expect(durationText(null)).toBe("–");
  expect(durationText(3.21)).toBe("3.2 ms");
});
