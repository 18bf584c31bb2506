/** Not built yet. */
export function AdminPage() {
  return null;
}

