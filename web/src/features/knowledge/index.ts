/** Not built yet. */
export function KnowledgePage() {
  return null;
}

/** Not built yet. */
export function CollectionPage() {
  return null;
}

