import { useCallback, useEffect, useRef, useState } from "react";

const NEAR_PX = 48;

/**
 * Keeps the end of a growing text in view, and lets go as soon as the person scrolls up. Attach both refs: the
 * scrolling element and what grows in it.
 */
export function useStickToBottom() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isStuck = useRef(true);
  const [isAtEnd, setAtEnd] = useState(true);

  const jump = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    isStuck.current = true;
    setAtEnd(true);
    element.scrollTop = element.scrollHeight;
  }, []);

  useEffect(() => {
    const element = scroller.current;
    const grown = content.current;
    if (element === null || grown === null) return;
    let lastTop = element.scrollTop;
    const onScroll = () => {
      const distance = element.scrollHeight - element.clientHeight - element.scrollTop;
      const isUp = element.scrollTop < lastTop - 1;
      lastTop = element.scrollTop;
      if (distance <= NEAR_PX) isStuck.current = true;
      else if (isUp) isStuck.current = false;
      setAtEnd(isStuck.current || distance <= NEAR_PX * 4);
    };
    // A wheel or finger going up means "let me read", even before the first scroll event of a fast stream.
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0 && element.scrollTop > 0) isStuck.current = false;
    };
    const observer = new ResizeObserver(() => {
      if (isStuck.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(grown);
    observer.observe(element);
    element.addEventListener("scroll", onScroll, { passive: true });
    element.addEventListener("wheel", onWheel, { passive: true });
    element.scrollTop = element.scrollHeight;
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", onScroll);
      element.removeEventListener("wheel", onWheel);
    };
  }, []);

  return { scroller, content, isAtEnd, jump };
}
