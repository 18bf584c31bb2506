/** The mark: an arch with a light in it. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="#1f5d52" />
      <path d="M8 26V15a8 8 0 0 1 16 0v11h-4V15a4 4 0 0 0-8 0v11z" fill="#f3efe4" />
      <circle cx="16" cy="20.5" r="2.4" fill="#e2b25c" />
    </svg>
  );
}
