import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";
import { SidebarButton } from "./Shell";

type PageHeaderProps = {
  title: string;
  /** One line under the title: what this page is for. */
  description?: ReactNode;
  /** Buttons at the right. */
  actions?: ReactNode;
  /** Way back to the page above, e.g. a link. */
  above?: ReactNode;
};

/** Title, purpose and actions of a page; also names the browser tab. */
export function PageHeader({ title, description, actions, above }: PageHeaderProps) {
  useDocumentTitle(`${title} · Alcove`);
  return (
    <header className="mb-6">
      {above ? <div className="mb-2 text-sm text-ink-faint">{above}</div> : null}
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-64">
          <h1 className="text-[1.6rem] leading-tight font-semibold tracking-tight break-words">{title}</h1>
          {description ? <p className="mt-1.5 max-w-[65ch] text-sm leading-relaxed text-ink-soft">{description}</p> : null}
        </div>
        {actions ? <div className="flex shrink-0 flex-wrap items-center gap-2">{actions}</div> : null}
      </div>
    </header>
  );
}

/** The scrolling body of a page other than the chat: one column at a readable width. */
export function Page({ children, width = "wide" }: { children: ReactNode; width?: "narrow" | "wide" | "full" }) {
  const limit = { narrow: "max-w-3xl", wide: "max-w-5xl", full: "max-w-none" }[width];
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-12 shrink-0 items-center px-2 md:h-3">
        <SidebarButton />
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className={`mx-auto w-full px-4 pt-2 pb-16 sm:px-8 md:pt-6 ${limit}`}>{children}</div>
      </div>
    </div>
  );
}
