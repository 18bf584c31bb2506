import { expect, test } from "vitest";
import { formatUsd, usdProblem } from "./money";

test.each([
  ["0", "$0"],
  ["0.000", "$0"],
  ["0.00004", "< $0.0001"],
  ["0.0012345", "$0.0012"],
  ["0.0415", "$0.042"],
  ["0.9996", "$1.000"],
  ["1.005", "$1.01"],
  ["12.5", "$12.50"],
  ["1234567.891", "$1,234,567.89"],
  ["-3.2", "-$3.20"],
  ["no number", "no number"],
])("%s is shown as %s", (amount, text) => {
  expect(formatUsd(amount)).toBe(text);
});

test("an amount is written with digits and a point, or not at all", () => {
  expect([" ", "20", "0.50"].map(usdProblem)).toEqual([null, null, null]);
  expect(["1,5", "-1", "1e3", "."].every((text) => usdProblem(text) !== null)).toBe(true);
});
