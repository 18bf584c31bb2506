const number = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** "1,234". */
export function formatCount(value: number): string {
  return number.format(value);
}

/** "3 documents", "1 document". */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** "1.4 MB" (powers of 1000, as file managers count). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? "B"}`;
}
