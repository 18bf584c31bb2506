export type Figure = { name: string; value: string; note: string; isBad?: boolean };

/** Numbers side by side, each with the word that puts it in its place. */
export function Figures({ label, figures, className }: { label: string; figures: readonly Figure[]; className: string }) {
  return (
    <dl aria-label={label} className={`grid grid-cols-2 gap-px overflow-hidden rounded-xl border border-line bg-line ${className}`}>
      {figures.map(({ name, value, note, isBad = false }) => (
        <div key={name} className="min-w-0 bg-raised px-4 py-3.5">
          <dt className="text-xs text-ink-faint">{name}</dt>
          <dd className={`mt-1 text-xl font-semibold tracking-tight tabular-nums ${isBad ? "text-danger" : ""}`}>{value}</dd>
          <dd className="mt-0.5 min-h-4 text-xs text-ink-faint tabular-nums">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

/** "12 %", "under 1 %". */
export function shareText(part: number, whole: number): string {
  const share = (100 * part) / whole;
  return share > 0 && share < 1 ? "under 1 %" : `${Math.round(share)} %`;
}
