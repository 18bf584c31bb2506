import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deletions, UNDO_MS } from "./deletions";

describe("Deletions", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("hides a chat at once and deletes it when it can no longer be taken back", async () => {
    const perform = vi.fn(() => Promise.resolve());
    const deletions = new Deletions(perform);
    deletions.schedule("c1");
    expect(deletions.ids().has("c1")).toBe(true);
    expect(perform).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(perform).toHaveBeenCalledExactlyOnceWith("c1", false);
  });

  it("deletes nothing that was taken back", async () => {
    const perform = vi.fn(() => Promise.resolve());
    const deletions = new Deletions(perform);
    deletions.schedule("c1");
    deletions.undo("c1");
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
    expect(perform).not.toHaveBeenCalled();
    expect(deletions.ids().size).toBe(0);
  });

  it("deletes at once when the page closes", async () => {
    const perform = vi.fn(() => Promise.resolve());
    const deletions = new Deletions(perform);
    deletions.schedule("c1");
    deletions.flush();
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
    expect(perform).toHaveBeenCalledExactlyOnceWith("c1", true);
  });

  it("shows the chat again when the server refuses", async () => {
    const deletions = new Deletions(() => Promise.reject(new Error("no")));
    deletions.schedule("c1");
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(deletions.ids().has("c1")).toBe(false);
  });
});
