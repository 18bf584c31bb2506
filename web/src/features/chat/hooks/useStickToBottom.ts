import { useCallback, useEffect, useRef, useState } from "react";

const NEAR_PX = 48;
/** How long a jump goes on looking for late heights (a burst of text, code that is coloured, a message replaced). */
const SETTLE_MS = 1200;
/** How long a key or a drag of the scroll bar counts as the reason for a scroll. */
const INTENT_MS = 600;
const UP_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);

/**
 * Keeps the end of a growing text in view, and lets go as soon as the person scrolls up. Attach both refs: the
 * scrolling element and what grows in it.
 *
 * The browser scrolls up by itself when the text gets shorter for a moment (a question on its way is replaced by the
 * stored one), so a scroll alone is no sign of a person: only wheel, finger, key or scroll bar are, or a scroll while
 * nothing changes its height (find in page).
 */
export function useStickToBottom() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isStuck = useRef(true);
  const settleUntil = useRef(0);
  const settling = useRef<number | null>(null);
  const [isAtEnd, setAtEnd] = useState(true);

  const jump = useCallback(() => {
    isStuck.current = true;
    setAtEnd(true);
    settleUntil.current = performance.now() + SETTLE_MS;
    if (settling.current !== null) return;
    const step = () => {
      settling.current = null;
      const element = scroller.current;
      if (element === null || !isStuck.current) return;
      toEnd(element);
      if (performance.now() < settleUntil.current) settling.current = requestAnimationFrame(step);
    };
    step();
  }, []);

  useEffect(() => {
    const element = scroller.current;
    const grown = content.current;
    if (element === null || grown === null) return;
    let lastTop = element.scrollTop;
    let lastHeight = element.scrollHeight;
    let intentUntil = 0;
    let isDragging = false;
    let touchY = 0;
    const letGo = () => {
      if (element.scrollTop > 0) isStuck.current = false;
    };
    const onScroll = () => {
      const distance = element.scrollHeight - element.clientHeight - element.scrollTop;
      const now = performance.now();
      const isUp = element.scrollTop < lastTop - 1;
      const isQuiet = element.scrollHeight === lastHeight && now > settleUntil.current;
      lastTop = element.scrollTop;
      lastHeight = element.scrollHeight;
      if (distance <= NEAR_PX && !isUp) isStuck.current = true;
      else if (isUp && distance > NEAR_PX && (isDragging || now < intentUntil || isQuiet)) isStuck.current = false;
      setAtEnd(isStuck.current || distance <= NEAR_PX * 4);
    };
    // A wheel or finger going up means "let me read", even before the first scroll event of a fast stream.
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0) letGo();
    };
    const onTouchStart = (event: TouchEvent) => {
      touchY = event.touches[0]?.clientY ?? 0;
    };
    const onTouchMove = (event: TouchEvent) => {
      const y = event.touches[0]?.clientY ?? 0;
      if (y > touchY + 2) letGo();
      touchY = y;
    };
    const onKeyDown = (event: KeyboardEvent) => {
      if (UP_KEYS.has(event.key)) intentUntil = performance.now() + INTENT_MS;
    };
    const onPointerDown = (event: PointerEvent) => {
      isDragging = event.target === element;
    };
    const onPointerUp = () => {
      isDragging = false;
    };
    const observer = new ResizeObserver(() => {
      lastHeight = element.scrollHeight;
      if (isStuck.current) jump();
    });
    observer.observe(grown);
    observer.observe(element);
    const listening = new AbortController();
    const passive = { passive: true, signal: listening.signal };
    element.addEventListener("scroll", onScroll, passive);
    element.addEventListener("wheel", onWheel, passive);
    element.addEventListener("touchstart", onTouchStart, passive);
    element.addEventListener("touchmove", onTouchMove, passive);
    element.addEventListener("keydown", onKeyDown, passive);
    element.addEventListener("pointerdown", onPointerDown, passive);
    window.addEventListener("pointerup", onPointerUp, passive);
    jump();
    return () => {
      observer.disconnect();
      listening.abort();
      if (settling.current !== null) cancelAnimationFrame(settling.current);
      settling.current = null;
    };
  }, [jump]);

  return { scroller, content, isAtEnd, jump };
}

function toEnd(element: HTMLElement): void {
  const end = element.scrollHeight - element.clientHeight;
  if (Math.abs(element.scrollTop - end) > 1) element.scrollTop = end;
}
