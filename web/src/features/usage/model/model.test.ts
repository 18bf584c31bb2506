import { expect, test } from "vitest";
import { someSums } from "@/testing/answers";
import { lineName, namesFrom } from "./breakdown";
import { periodOf, piecesOf } from "./period";
import { exportUrl } from "./scope";
import { pointsOf } from "./series";

const NOW = Date.parse("2026-11-20T10:25:00Z");

test("a day ends with the hour that runs, in whole hours", () => {
  const period = periodOf("24h", "", "", NOW);
  expect(period).toEqual({ since: "2026-11-19T11:00:00.000Z", until: "2026-11-20T11:00:00.000Z", interval: "hour" });
  expect(piecesOf(period)).toHaveLength(24);
});

test("a week is seven whole days, with today", () => {
  const period = periodOf("7d", "", "", NOW);
  expect(period.since).toBe("2026-11-14T00:00:00.000Z");
  expect(piecesOf(period)).toHaveLength(7);
});

test("custom days hold the whole of the last, whatever their order", () => {
  expect(periodOf("custom", "2026-11-01", "2026-11-02", NOW)).toEqual({
    since: "2026-11-01T00:00:00.000Z",
    until: "2026-11-03T00:00:00.000Z",
    interval: "hour",
  });
  expect(periodOf("custom", "2026-11-05", "2026-11-02", NOW).until).toBe("2026-11-06T00:00:00.000Z");
  expect(periodOf("custom", "nonsense", "", NOW).since).toBe("2026-11-14T00:00:00.000Z");
});

test("a quiet hour is a zero in the chart", () => {
  const period = periodOf("24h", "", "", NOW);
  const points = pointsOf([someSums({ start: "2026-11-20T09:00:00Z", requests: 5, errors: 2 })], period, "requests");
  expect(points).toHaveLength(24);
  expect(points[22]).toMatchObject({ fine: 3, errors: 2 });
  expect(points[21]).toMatchObject({ fine: 0, errors: 0, sums: null });
});

test("ids become names, or their end", () => {
  const names = namesFrom([], [], []);
  expect(lineName("user", "01a21395-20b3", names)).toBe("…5-20b3");
  expect(lineName("key", "", names)).toBe("in the page, without a key");
  expect(lineName("status", "429", names)).toBe("429 over a limit");
});

test("a file is asked for with the same choice as the page", () => {
  const url = exportUrl({ since: "2026-11-19T11:00:00.000Z", until: "2026-11-20T11:00:00.000Z", everyone: true, model: "a b" }, "csv");
  expect(Object.fromEntries(new URL(url, "http://here").searchParams)).toEqual({
    since: "2026-11-19T11:00:00.000Z",
    until: "2026-11-20T11:00:00.000Z",
    all: "true",
    model: "a b",
    format: "csv",
  });
});
