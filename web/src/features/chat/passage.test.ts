import { describe, expect, it } from "vitest";
import { sourceOf } from "@/testing/fixtures";
import { passageOf, type Segment } from "./passage";

const TEXT = "Chapter one is about hours. Every employee has 30 days\nof paid leave. Five may be carried over. Chapter three is about travel.";
const CHUNK = "Every employee has 30 days\nof paid leave. Five may be carried over.";
const start = TEXT.indexOf(CHUNK);
const source = sourceOf({ text: CHUNK, start, end: start + CHUNK.length });
const document = { name: "handbook.pdf", text: TEXT, pages: [] };
const marked = (segments: readonly Segment[]) => segments.filter((each) => each.kind === "cited").map((each) => each.text);
const whole = (segments: readonly Segment[]) => segments.map((each) => each.text).join("");

describe("passageOf", () => {
  it("marks the cited sentence by its offsets, inside the document", () => {
    const from = TEXT.indexOf("Five");
    const citation = { number: 1, quote: "Five may be carried over.", start: from, end: from + 25 };
    const passage = passageOf(source, [citation], document, 1000);
    expect(marked(passage.segments)).toEqual(["Five may be carried over."]);
    expect(whole(passage.segments)).toBe(TEXT);
    expect(passage).toMatchObject({ hasMoreBefore: false, hasMoreAfter: false });
  });

  it("finds a quote whose white space differs", () => {
    const citation = { number: 1, quote: "Every employee has 30 days of paid leave.", start: null, end: null };
    expect(marked(passageOf(source, [citation], document, 0).segments)).toEqual(["Every employee has 30 days\nof paid leave."]);
  });

  it("shows the source's own text while the document is not there", () => {
    const citation = { number: 1, quote: "Five may be carried over.", start: 9000, end: 9025 };
    const passage = passageOf(source, [citation], null, 1000);
    expect(whole(passage.segments)).toBe(CHUNK);
    expect(marked(passage.segments)).toEqual(["Five may be carried over."]);
  });

  it("leaves out what is further away than asked, at words", () => {
    const passage = passageOf(source, [], document, 13);
    expect(passage).toMatchObject({ hasMoreBefore: true, hasMoreAfter: true });
    expect(whole(passage.segments)).toBe("about hours. Every employee has 30 days\nof paid leave. Five may be carried over. Chapter");
  });

  it("ignores citations of other sources and quotes that are not there", () => {
    const others = [
      { number: 2, quote: "Five may be carried over.", start: null, end: null },
      { number: 1, quote: "Sixty days (really?)", start: null, end: null },
    ];
    expect(marked(passageOf(source, others, document, 0).segments)).toEqual([]);
  });

  it("joins sentences that overlap", () => {
    const citations = [
      { number: 1, quote: "has 30 days", start: null, end: null },
      { number: 1, quote: "30 days of paid leave", start: null, end: null },
    ];
    expect(marked(passageOf(source, citations, document, 0).segments)).toEqual(["has 30 days\nof paid leave"]);
  });
});
