import { vi } from "vitest";

/** Gives every element a size, as a browser would: jsdom draws nothing, and in a box of no height a virtual list shows nothing. */
export function pretendLayout(): void {
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(1000);
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(60);
}
