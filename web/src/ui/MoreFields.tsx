import { Collapse } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ChevronRight } from "lucide-react";
import { type ReactNode, useId, useState } from "react";

type MoreFieldsProps = {
  label: string;
  /** What is inside, in a few words. */
  hint?: string;
  /** Opens it whatever the person chose: something inside needs attention. */
  mustShow?: boolean;
  isOpenAtFirst?: boolean;
  children: ReactNode;
};

/** Fields that most people can leave alone, behind one line. */
export function MoreFields({ label, hint, mustShow = false, isOpenAtFirst = false, children }: MoreFieldsProps) {
  const [isOpen, { toggle }] = useDisclosure(isOpenAtFirst);
  const id = useId();
  const isShown = isOpen || mustShow;
  // What nobody has asked for is not drawn; once drawn it stays, so that it can close softly.
  const [isDrawn, setDrawn] = useState(isShown);
  if (isShown && !isDrawn) setDrawn(true);
  return (
    <div className="rounded-lg border border-line">
      <button
        type="button"
        aria-expanded={isShown}
        aria-controls={id}
        onClick={toggle}
        className="flex w-full items-center gap-2 rounded-lg px-3 py-2.5 text-left text-sm hover:bg-hover/60"
      >
        <ChevronRight size={16} className={`shrink-0 text-ink-faint transition-transform ${isShown ? "rotate-90" : ""}`} aria-hidden />
        <span className="font-medium">{label}</span>
        {hint ? <span className="min-w-0 truncate text-xs text-ink-faint">{hint}</span> : null}
      </button>
      <Collapse expanded={isShown} id={id}>
        {isDrawn ? <div className="border-t border-line px-3 pt-3 pb-4">{children}</div> : null}
      </Collapse>
    </div>
  );
}
