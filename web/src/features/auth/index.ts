/** Not built yet. */
export function LoginPage() {
  return null;
}

/** Not built yet. */
export function SetupPage() {
  return null;
}

