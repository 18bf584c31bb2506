import { Link, useLocation } from "@tanstack/react-router";
import type { LucideIcon } from "lucide-react";

export type Section = { to: string; label: string; Icon: LucideIcon };

/** The sections of a page with several: a column beside the content, or a row that scrolls above it on a phone. */
export function SectionNav({ label, sections }: { label: string; sections: readonly Section[] }) {
  const path = useLocation({ select: (location) => location.pathname });
  // The address without a section shows the first one.
  const current = sections.find(({ to }) => path === to || path.startsWith(`${to}/`)) ?? sections[0];
  return (
    <nav aria-label={label} className="-mx-4 mb-5 overflow-x-auto px-4 [scrollbar-width:none] md:mx-0 md:mb-0 md:w-44 md:shrink-0 md:overflow-visible md:px-0">
      <ul className="flex gap-1 md:flex-col">
        {sections.map(({ to, label: name, Icon }) => (
          <li key={to} className="shrink-0" ref={to === current?.to ? reveal : undefined}>
            <Link
              to={to as never}
              aria-current={to === current?.to ? "page" : undefined}
              className="flex items-center gap-2.5 rounded-lg px-3 py-2 text-sm whitespace-nowrap text-ink-soft hover:bg-hover hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-accent-ink"
            >
              <Icon size={16} aria-hidden />
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** On a phone the row scrolls; the current section must not be outside of it. */
function reveal(item: HTMLElement | null): void {
  item?.scrollIntoView({ inline: "center", block: "nearest" });
}
