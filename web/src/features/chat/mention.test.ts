import { describe, expect, it } from "vitest";
import { mentionAt, withoutMention } from "./mention";

describe("mentionAt", () => {
  it.each([
    ["#", 1, ""],
    ["ask #hand", 9, "hand"],
    ["ask #hand about", 9, "hand"],
    ["frag #Büro-2", 12, "Büro-2"],
  ])("finds the word in %j at %d", (text, caret, query) => {
    expect(mentionAt(text, caret)?.query).toBe(query);
  });

  it.each([
    ["a#b", 3],
    ["# Heading", 9],
    ["##", 2],
    ["no mention", 5],
  ])("finds none in %j at %d", (text, caret) => {
    expect(mentionAt(text, caret)).toBeNull();
  });

  it("is cut out of the text", () => {
    const mention = mentionAt("ask #hand now", 9);
    expect(mention && withoutMention("ask #hand now", mention)).toBe("ask  now");
  });
});
