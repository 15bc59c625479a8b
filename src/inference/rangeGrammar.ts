/** The whole numbers from `low` to `high`, both inclusive, as JSON writes them: GBNF. */
export function rangeGrammar(low: bigint, high: bigint): string {
  const parts = [
    ...(low < 0n ? [`"-" ${natural(high < 0n ? -high : 1n, -low)}`] : []),
    ...(high >= 0n ? [natural(low > 0n ? low : 0n, high)] : []),
  ];
  return parts.length === 1 ? `(${parts[0]})` : `(${parts.join(" | ")})`;
}

/** Whole numbers without sign or leading zeros. */
function natural(low: bigint, high: bigint): string {
  const parts: string[] = [];
  for (let digits = low.toString().length; digits <= high.toString().length; digits++) {
    const smallest = digits === 1 ? 0n : 10n ** BigInt(digits - 1);
    const largest = 10n ** BigInt(digits) - 1n;
    const from = low > smallest ? low : smallest;
    const to = high < largest ? high : largest;
    parts.push(...sameLength(from.toString(), to.toString()));
  }
  return parts.length === 1 ? parts[0]! : `(${parts.join(" | ")})`;
}

const digit = (low: string, high: string) => (low === high ? `"${low}"` : `[${low}-${high}]`);
const any = (count: number) => (count === 0 ? "" : ` [0-9]{${count}}`);

/** Numbers of as many digits as both bounds have. */
function sameLength(low: string, high: string): readonly string[] {
  const rest = low.length - 1;
  if (/^0*$/.test(low.slice(1)) && /^9*$/.test(high.slice(1)))
    return [`${digit(low[0]!, high[0]!)}${any(rest)}`];
  if (low[0] === high[0]) return sameLength(low.slice(1), high.slice(1)).map((tail) => `"${low[0]}" ${tail}`);
  const nines = "9".repeat(rest);
  const zeros = "0".repeat(rest);
  const [first, last] = [Number(low[0]), Number(high[0])];
  return [
    ...sameLength(low.slice(1), nines).map((tail) => `"${first}" ${tail}`),
    ...(last - first > 1 ? [`${digit(String(first + 1), String(last - 1))}${any(rest)}`] : []),
    ...sameLength(zeros, high.slice(1)).map((tail) => `"${last}" ${tail}`),
  ];
}
