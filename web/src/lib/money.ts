const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Dollars as far as they tell something: "$12.50", "$0.041", "< $0.0001".
 *
 * Works on the digits of the server's decimal text: a binary fraction would round some amounts another way than the bill does.
 */
export function formatUsd(amount: string): string {
  const match = DECIMAL.exec(amount);
  if (!match) return amount;
  const [, sign = "", whole = "0", fraction = ""] = match;
  const isWhole = BigInt(whole) > 0n;
  if (!isWhole && /^0*$/.test(fraction)) return "$0";
  const zeros = /^0*/.exec(fraction)?.[0].length ?? 0;
  if (!isWhole && zeros >= 4) return "< $0.0001";
  const digits = isWhole ? 2 : zeros >= 2 ? 4 : 3;
  return `${sign}$${rounded(whole, fraction, digits)}`;
}

/** A decimal text cut to so many digits, half away from zero, with its thousands apart. */
function rounded(whole: string, fraction: string, digits: number): string {
  const kept = BigInt(whole + fraction.padEnd(digits, "0").slice(0, digits));
  const isUp = (fraction[digits] ?? "0") >= "5";
  const text = (kept + (isUp ? 1n : 0n)).toString().padStart(digits + 1, "0");
  return `${text.slice(0, -digits).replace(/\B(?=(\d{3})+$)/g, ",")}.${text.slice(-digits)}`;
}

/** Why a text is no amount of money, or null; an empty one is. */
export function usdProblem(text: string): string | null {
  return text.trim() === "" || /^\d{1,7}(\.\d{1,9})?$/.test(text.trim()) ? null : "Write an amount such as 20 or 0.50.";
}
