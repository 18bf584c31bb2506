const AFTER_DIALOG_MS = 60;

/**
 * Puts the focus at the beginning of the page's content, for when what had it is gone, such as the button of a deleted row.
 *
 * Waits until a closing dialog has tried to give the focus back to that button.
 */
export function focusContent(): void {
  window.setTimeout(() => document.getElementById("content")?.focus({ preventScroll: true }), AFTER_DIALOG_MS);
}
