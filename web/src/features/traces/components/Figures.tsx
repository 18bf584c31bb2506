type FiguresProps = { label: string; figures: [string, string | null][] };

/** A row of named figures; a null one is left out. */
export function Figures({ label, figures }: FiguresProps) {
  return (
    <dl aria-label={label} className="flex flex-wrap gap-x-7 gap-y-3">
      {figures.map(([name, value]) =>
        value === null ? null : (
          <div key={name}>
            <dt className="text-xs text-ink-faint">{name}</dt>
            <dd className="mt-0.5 text-sm font-medium tabular-nums">{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
