import { Link } from "@tanstack/react-router";
import type { LucideIcon } from "lucide-react";

export type Section = { to: string; label: string; Icon: LucideIcon };

/** The sections of a page with several: a column beside the content, or a row that scrolls above it on a phone. */
export function SectionNav({ label, sections }: { label: string; sections: readonly Section[] }) {
  return (
    <nav aria-label={label} className="-mx-4 mb-5 overflow-x-auto px-4 [scrollbar-width:none] md:mx-0 md:mb-0 md:w-44 md:shrink-0 md:overflow-visible md:px-0">
      <ul className="flex gap-1 md:flex-col">
        {sections.map(({ to, label: name, Icon }) => (
          <li key={to} className="shrink-0">
            <Link
              to={to as never}
              activeProps={{ className: "bg-accent-soft text-accent-ink font-medium" }}
              inactiveProps={{ className: "text-ink-soft hover:bg-hover hover:text-ink" }}
              className="flex items-center gap-2.5 rounded-lg px-3 py-2 text-sm whitespace-nowrap"
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
