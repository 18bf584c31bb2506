import { describe, expect, it } from "vitest";
import type { ChatSummary } from "@/lib/api";
import { groupChats } from "./ChatHistory";
import { splitByWords } from "./Snippet";

const NOW = new Date(2026, 10, 20, 15, 0).getTime();
const chat = (id: string, daysAgo: number, pinned = false): ChatSummary => ({
  id,
  title: id,
  model: null,
  collections: [],
  current_message_id: null,
  pinned,
  snippet: null,
  created_at: "",
  updated_at: new Date(NOW - daysAgo * 86_400_000).toISOString(),
});

describe("groupChats", () => {
  it("puts pinned chats first and the others under their day", () => {
    const groups = groupChats([chat("a", 0), chat("b", 1), chat("c", 3), chat("p", 90, true), chat("d", 20), chat("e", 80)], NOW);
    expect(groups.map(([name, chats]) => [name, chats.map((each) => each.id)])).toEqual([
      ["Pinned", ["p"]],
      ["Today", ["a"]],
      ["Yesterday", ["b"]],
      ["Last 7 days", ["c"]],
      ["Last 30 days", ["d"]],
      [expect.stringContaining("2026"), ["e"]],
    ]);
  });
});

describe("splitByWords", () => {
  it("marks the words, whatever their case, and takes signs literally", () => {
    expect(splitByWords("The Tide (twice)", "tide (t")).toEqual([
      { text: "The ", isMatch: false },
      { text: "Tide", isMatch: true },
      { text: " ", isMatch: false },
      { text: "(t", isMatch: true },
      { text: "wice)", isMatch: false },
    ]);
  });

  it("marks nothing without words", () => {
    expect(splitByWords("text", " ")).toEqual([{ text: "text", isMatch: false }]);
  });
});
