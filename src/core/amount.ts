import { BaseError } from "./errors.ts";

/** An amount that can't be turned into whole base units. */
export class AmountError extends BaseError {
  override readonly name = "AmountError";
  constructor(text: string, why: string) {
    super(`"${text.slice(0, 60)}" is not an amount: ${why}.`, {
      remedy: 'Write digits with at most one point, for example "42.50".',
    });
  }
}

/**
 * Decimal text to base units, exactly. No sign, no exponent, no separators, no rounding.
 *
 * @example parseUnitsExact("42.50", 6) // 42500000n
 */
export function parseUnitsExact(text: string, decimals: number): bigint {
  const match = /^(\d{1,60})(?:\.(\d{1,60}))?$/.exec(text);
  if (!match) throw new AmountError(text, "it has to be digits with at most one point");
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > decimals) throw new AmountError(text, `the token has only ${decimals} decimals`);
  return BigInt(match[1]! + fraction.padEnd(decimals, "0"));
}

/** Base units to the shortest decimal text, with at least `minFraction` decimals. */
export function formatUnitsExact(units: bigint, decimals: number, minFraction = 0): string {
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = (decimals === 0 ? "" : digits.slice(-decimals))
    .replace(/0+$/, "")
    .padEnd(Math.min(minFraction, decimals), "0");
  return `${units < 0n ? "-" : ""}${whole}${fraction ? `.${fraction}` : ""}`;
}

/** Wei as ether with six decimals at most, rounded up: for what something may cost. */
export function etherUp(wei: bigint): string {
  const micro = (wei + 10n ** 12n - 1n) / 10n ** 12n;
  return formatUnitsExact(micro, 6);
}
