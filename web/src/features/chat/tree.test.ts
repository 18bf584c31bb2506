import { describe, expect, it } from "vitest";
import type { Message } from "@/lib/api";
import { messageOf } from "@/testing/fixtures";
import { branchPosition, buildTree, visiblePath } from "./tree";

const at = (second: number) => new Date(Date.UTC(2026, 10, 20, 10, 0, second)).toISOString();
const node = (id: string, parent: string | null, second: number, role: Message["role"] = "assistant") =>
  messageOf({ id, parent_id: parent, role, created_at: at(second) });

/**
 * q1 ─ a1 ─ q2 ─ a2
 *    │    └ q2' ─ a2'
 *    └ a1' (answered again)
 */
const MESSAGES = [
  node("q1", null, 1, "user"),
  node("a1", "q1", 2),
  node("q2", "a1", 3, "user"),
  node("a2", "q2", 4),
  node("q2'", "a1", 5, "user"),
  node("a2'", "q2'", 6),
  node("a1'", "q1", 7),
];
const ids = (messages: readonly Message[]) => messages.map((message) => message.id);

describe("visiblePath", () => {
  const tree = buildTree(MESSAGES);

  it("goes through the current message on to its newest leaf", () => {
    expect(ids(visiblePath(tree, "a1"))).toEqual(["q1", "a1", "q2'", "a2'"]);
    expect(ids(visiblePath(tree, "q2"))).toEqual(["q1", "a1", "q2", "a2"]);
  });

  it("shows the newest branch when the current message is unknown", () => {
    expect(ids(visiblePath(tree, null))).toEqual(["q1", "a1'"]);
    expect(ids(visiblePath(tree, "gone"))).toEqual(["q1", "a1'"]);
  });

  it("is empty for a chat without messages", () => {
    expect(visiblePath(buildTree([]), null)).toEqual([]);
  });

  it("shows a message whose parent is gone, and survives a circle", () => {
    expect(ids(visiblePath(buildTree([node("x", "gone", 1)]), "x"))).toEqual(["x"]);
    expect(ids(visiblePath(buildTree([node("x", "x", 1)]), "x"))).toContain("x");
  });
});

describe("branchPosition", () => {
  const tree = buildTree(MESSAGES);

  it("counts the siblings and names the neighbours", () => {
    const position = branchPosition(tree, node("a1'", "q1", 7));
    expect(position).toMatchObject({ index: 1, count: 2, next: null });
    expect(position.previous?.id).toBe("a1");
  });

  it("gives one for a message without siblings", () => {
    expect(branchPosition(tree, node("q1", null, 1))).toMatchObject({ index: 0, count: 1, previous: null, next: null });
  });
});
