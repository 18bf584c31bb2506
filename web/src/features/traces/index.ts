/** Not built yet. */
export function TracesPage() {
  return null;
}

/** Not built yet. */
export function TracePage() {
  return null;
}

