const ALLOWED = new Set(["http:", "https:", "mailto:"]);

/** The address of a link if a person may follow it, else null: only http, https and mailto leave an answer. */
export function safeHref(href: string | undefined): string | null {
  if (href === undefined) return null;
  try {
    const url = new URL(href);
    return ALLOWED.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
