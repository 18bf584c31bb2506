const WIDTH = 120;
const HEIGHT = 20;

/** A row of small columns without axes; what it shows is said beside it. */
export function Sparkline({ values }: { values: readonly number[] }) {
  const most = Math.max(1, ...values);
  const step = WIDTH / Math.max(1, values.length);
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" className="shrink-0">
      <line x1={0} x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} stroke="var(--line-strong)" strokeWidth={1} />
      {values.map((value, index) => (
        <rect
          key={index}
          x={index * step}
          width={Math.max(1, step - 0.5)}
          y={HEIGHT - (HEIGHT * value) / most}
          height={(HEIGHT * value) / most}
          fill="var(--accent)"
        />
      ))}
    </svg>
  );
}
