import type { ReactNode } from "react";

type EmptyStateProps = { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode };

/** What a page shows instead of nothing: what would be here, and how to get the first one. */
export function EmptyState({ icon, title, children, action }: EmptyStateProps) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center px-6 py-14 text-center">
      {icon ? (
        <div className="mb-4 grid size-12 place-items-center rounded-2xl bg-accent-soft text-accent-ink" aria-hidden>
          {icon}
        </div>
      ) : null}
      <h2 className="text-lg font-semibold text-balance">{title}</h2>
      {children ? <div className="mt-1.5 text-sm leading-relaxed text-pretty text-ink-soft">{children}</div> : null}
      {action ? <div className="mt-5">{action}</div> : null}
    </div>
  );
}
