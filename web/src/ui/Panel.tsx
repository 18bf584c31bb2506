import { type ReactNode, useId } from "react";

type PanelProps = { title: string; description?: ReactNode; actions?: ReactNode; children: ReactNode; flush?: boolean };

/** A titled part of a page. `flush` lets the content reach the border, for lists and tables. */
export function Panel({ title, description, actions, children, flush = false }: PanelProps) {
  const heading = useId();
  return (
    <section aria-labelledby={heading} className="overflow-hidden rounded-xl border border-line bg-raised">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3 px-4 pt-4 pb-3 sm:px-5">
        <div className="min-w-0 flex-1 basis-52">
          <h2 id={heading} className="text-base font-semibold">
            {title}
          </h2>
          {description ? <div className="mt-1 max-w-[65ch] text-sm leading-relaxed text-ink-soft">{description}</div> : null}
        </div>
        {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
      </div>
      <div className={flush ? "border-t border-line" : "px-4 pb-5 sm:px-5"}>{children}</div>
    </section>
  );
}
