import { describe, expect, test } from "vitest";
import { runningList, somePull, someRunningModel } from "@/testing/answers";
import { parseParameters } from "./parameters";
import { justEnded, percentOf, progressText, shownPulls } from "./pulls";
import { atWork, NOTHING_RUNS, parseRunningEvent, reduceRunning, type RunningEvent } from "./running";
import { firstTokenMs, isRunning, NO_TRIAL, reduceTrial, speedOf, tokensOf } from "./trial";
import { kindText, stayText, workText } from "./words";

function event(type: RunningEvent["type"], ...models: Parameters<typeof someRunningModel>[0][]): RunningEvent {
  return { type, list: runningList(models.map((model) => someRunningModel(model))) };
}

describe("events of running models", () => {
  test("a snapshot, then changes", () => {
    const first = reduceRunning(NOTHING_RUNS, event("snapshot", { model: "a" }));
    expect(first.isLive).toBe(true);
    const second = reduceRunning(first, event("change", { model: "b", state: "loading" }));
    expect(atWork(second).map((model) => [model.model, model.state])).toEqual([["a", "loaded"], ["b", "loading"]]);
    expect(second.memory?.budget_bytes).toBe(4_000_000_000);
  });

  test("an unloaded model keeps its reason, and one whose end was missed is unloaded without one", () => {
    let running = reduceRunning(NOTHING_RUNS, event("snapshot", { model: "a" }, { model: "b", reason: "2 answers under way" }));
    running = reduceRunning(running, event("change", { model: "a", state: "unloaded", reason: "nobody asked", size_bytes: 0, active: 0 }));
    running = reduceRunning(running, event("snapshot"));
    expect(running.models.get("a")).toMatchObject({ state: "unloaded", reason: "nobody asked" });
    expect(running.models.get("b")).toMatchObject({ state: "unloaded", reason: "", active: 0, size_bytes: 0 });
    expect(atWork(running)).toEqual([]);
  });

  test("a model that is no longer pinned is not shown as pinned", () => {
    const pinned = reduceRunning(NOTHING_RUNS, event("snapshot", { model: "a", state: "unloaded", is_pinned: true }));
    expect(reduceRunning(pinned, event("snapshot")).models.get("a")?.is_pinned).toBe(false);
  });

  test("a lost connection keeps what was known", () => {
    const live = reduceRunning(NOTHING_RUNS, event("snapshot", { model: "a" }));
    const lost = reduceRunning(live, { type: "connection", isOpen: false });
    expect(lost.isLive).toBe(false);
    expect(lost.models).toBe(live.models);
    expect(reduceRunning(lost, { type: "connection", isOpen: false })).toBe(lost);
  });

  test("what cannot be read is skipped", () => {
    expect(parseRunningEvent({ id: null, name: "other", data: "{}" })).toBeNull();
    expect(parseRunningEvent({ id: null, name: "change", data: "{" })).toBeNull();
    expect(parseRunningEvent({ id: null, name: "change", data: "null" })).toBeNull();
    expect(parseRunningEvent({ id: null, name: "change", data: JSON.stringify(runningList([])) })?.type).toBe("change");
  });
});

describe("pulls", () => {
  test("tell bytes, speed and time left", () => {
    expect(progressText(somePull())).toBe("100 MB of 400 MB · 10.0 MB/s · 30.0 s left");
    expect(percentOf(somePull())).toBe(25);
    expect(progressText(somePull({ total_bytes: 0, completed_bytes: 0, status: "pulling manifest" }))).toBe("pulling manifest");
    expect(percentOf(somePull({ total_bytes: 0 }))).toBeNull();
    expect(progressText(somePull({ completed_bytes: 400_000_000, status: "verifying sha256 digest" }))).toBe(
      "400 MB of 400 MB · verifying sha256 digest",
    );
  });

  test("one that is done now is noticed once", () => {
    const done = somePull({ state: "done" });
    expect(justEnded([somePull()], [done])).toBe(true);
    expect(justEnded([done], [done])).toBe(false);
  });

  test("those that run come first, and those put away do not come", () => {
    const pulls = [somePull({ id: "1", state: "failed" }), somePull({ id: "2" }), somePull({ id: "3", state: "done" })];
    expect(shownPulls(pulls, ["3"]).map((pull) => pull.id)).toEqual(["2", "1"]);
  });
});

describe("parameters", () => {
  test("are numbers, texts, claims and lists", () => {
    expect(parseParameters('temperature 0.7\n\n# a note\nPARAMETER num_ctx 8192\nstop "###"\nstop <|end|>\nuse_mmap false')).toEqual({
      temperature: 0.7,
      num_ctx: 8192,
      stop: ["###", "<|end|>"],
      use_mmap: false,
    });
    expect(parseParameters('stop "a\\nb"')).toEqual({ stop: "a\nb" });
    expect(parseParameters("")).toEqual({});
  });

  test("a line without a value is named", () => {
    expect(() => parseParameters("top_k 3\ntemperature")).toThrow("Line 2");
  });
});

describe("a test prompt", () => {
  test("has a time to the first token and a speed", () => {
    let trial = reduceTrial(NO_TRIAL, { type: "begin", atMs: 1000 });
    expect(isRunning(trial)).toBe(true);
    trial = reduceTrial(trial, { type: "piece", piece: { text: "", reasoning: "", tokens: null }, atMs: 1050 });
    expect(firstTokenMs(trial)).toBeNull();
    trial = reduceTrial(trial, { type: "piece", piece: { text: "a", reasoning: "", tokens: null }, atMs: 1200 });
    expect(speedOf(trial)).toBeNull();
    trial = reduceTrial(trial, { type: "piece", piece: { text: "b", reasoning: "", tokens: null }, atMs: 1700 });
    trial = reduceTrial(trial, { type: "piece", piece: { text: "", reasoning: "", tokens: 21 }, atMs: 1900 });
    trial = reduceTrial(trial, { type: "end", phase: "done" });
    expect(trial.text).toBe("ab");
    expect(firstTokenMs(trial)).toBe(200);
    expect(tokensOf(trial)).toBe(21);
    expect(speedOf(trial)).toBe(40);
    expect(isRunning(trial)).toBe(false);
  });

  test("a failure keeps what came before it", () => {
    let trial = reduceTrial(NO_TRIAL, { type: "begin", atMs: 0 });
    trial = reduceTrial(trial, { type: "piece", piece: { text: "half", reasoning: "", tokens: null }, atMs: 1 });
    trial = reduceTrial(trial, { type: "fail", error: new Error("It broke off.") });
    expect([trial.phase, trial.text, trial.failure]).toEqual(["failed", "half", "It broke off."]);
  });
});

test("words for what a model does and how long it stays", () => {
  const until = () => "in 4 minutes";
  expect(workText(someRunningModel({ queued: 3 }))).toBe("1 of 4 slots at work, 3 wait");
  expect(workText(someRunningModel({ slots: 1, active: 0, queued: 1 }))).toBe("0 of 1 slot at work, 1 waits");
  expect(stayText(someRunningModel(), until)).toBe("at work");
  expect(stayText(someRunningModel({ active: 0, expires_at: "2026-11-20T10:00:00Z" }), until)).toBe("unloads in 4 minutes");
  expect(stayText(someRunningModel({ is_pinned: true }), until)).toBe("stays: pinned");
  expect(stayText(someRunningModel({ active: 0, keep_alive_s: null }), until)).toBe("stays for ever");
  expect(stayText(someRunningModel({ state: "failed" }), until)).toBe("");
  expect(kindText({ family: "llama", parameter_size: "", quantization: "unknown" })).toBe("llama");
});
