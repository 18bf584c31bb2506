import { expect, test } from "vitest";
import { MAX_FILE_BYTES, refusalOf } from "./fileRules";
import { markRange, markWords } from "./passage";
import { textSections } from "./textSections";

test("files are refused by kind, emptiness and size, each with its own words", () => {
  expect(refusalOf({ name: "a.PDF", size: 10 })).toBeNull();
  expect(refusalOf({ name: "a.pdf", size: MAX_FILE_BYTES })).toBeNull();
  expect(refusalOf({ name: "a.pdf", size: MAX_FILE_BYTES + 1 })).toContain("the limit is 50 MB");
  expect(refusalOf({ name: "a.pdf", size: 0 })).toBe("This file is empty.");
  expect(refusalOf({ name: "a.doc", size: 1 })).toContain("Save it as DOCX first.");
  expect(refusalOf({ name: "README", size: 1 })).toContain("Files without an ending");
});

test("marked words begin like a word of the query, and the text stays whole", () => {
  const text = "Invoices are paid. An invoice, once paid, stays.";
  const pieces = markWords(text, "invoice of it");
  expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  expect(pieces.filter((piece) => piece.isMarked).map((piece) => piece.text)).toEqual(["Invoices", "invoice"]);
});

test("a range outside the text marks nothing", () => {
  expect(markRange("abc", 10, 0, 5)).toEqual([{ text: "abc", isMarked: false, start: 0 }]);
  expect(markRange("abcdef", 10, 12, 14).filter((piece) => piece.isMarked)).toEqual([{ text: "cd", isMarked: true, start: 2 }]);
});

test("a text without pages is cut at line ends and loses nothing", () => {
  const text = "a line of text\n".repeat(2000);
  const sections = textSections({ text, pages: [] });
  expect(sections.length).toBeGreaterThan(3);
  expect(sections.map((section) => section.text).join("")).toBe(text);
  expect(sections.every((section) => section.text.endsWith("\n"))).toBe(true);
});
