import { getAddress, numberToHex, type Address } from "viem";

import { formatUnitsExact } from "../../src/core/amount.ts";
import { compilePolicy, type CompiledPolicy } from "../../src/policy/compile.ts";
import { policySchema } from "../../src/policy/schema.ts";
import type { Chance } from "./chance.ts";

/** When the first claim of every history is made. */
export const beginning = 1_800_000_000n;

const addressFrom = (chance: Chance): Address =>
  getAddress(numberToHex(chance.between(1n << 152n, (1n << 160n) - 1n), { size: 20 }));

/** A policy with one limit, in a token or in the native coin, with caps so low that histories reach them. */
export function randomPolicy(chance: Chance, agent: Address, salt: number): CompiledPolicy {
  const native = chance.oneIn(4);
  const decimals = native ? 18 : chance.below(19);
  const [symbol, unit] = [native ? "ETH" : "TOK", 10n ** BigInt(chance.below(decimals + 1))];
  const perCall = chance.between(1n, 9_999n);
  const perWindow = perCall + chance.between(0n, perCall * 4n);
  const lifetime = perWindow + chance.between(0n, perWindow * 4n);
  const amount = (mantissa: bigint) => `${formatUnitsExact(mantissa * unit, decimals)} ${symbol}`;
  const gasUnit = 10n ** BigInt(chance.below(16));
  const feeCap = chance.between(1n, 999n);
  const gas = (mantissa: bigint) => `${formatUnitsExact(mantissa * gasUnit, 18)} ETH`;
  const window = chance.pick(["30m", "31m", "1h", "5h", "24h", "7d"]);
  const lasts = chance.oneIn(4) ? chance.between(300n, 3_600n * 24n) : 3_600n * 24n * 4_000n;
  const document = policySchema.parse({
    policy: "differential",
    version: 1,
    chain: 31337,
    tokens: native ? {} : { TOK: { address: addressFrom(chance), decimals } },
    payees: Object.fromEntries(
      Array.from({ length: 1 + chance.below(9) }, (_, index) => [
        `payee-${index}`,
        { address: addressFrom(chance) },
      ]),
    ),
    limits: [
      { perPayment: amount(perCall), perWindow: amount(perWindow), window, lifetime: amount(lifetime) },
    ],
    gas: { budget: gas(feeCap * chance.between(2n, 12n)), perOperation: gas(feeCap) },
    expires: new Date(Number(beginning + lasts) * 1000).toISOString(),
    salt,
  });
  return compilePolicy(document, agent);
}
