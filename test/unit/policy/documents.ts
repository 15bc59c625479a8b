import type { Address } from "viem";

import { compilePolicy, type CompiledPolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";

export const agent: Address = "0x5fA59300b772D54451e6921c4a0db8FD3dDAD8cE";

/** A policy as people write it; every test changes what it is about. */
export const treasury = `policy: treasury
version: 1
chain: 31337
tokens:
  USDC: { address: "0x77D93908Ca1cb75f3Fb71270b066baA9a1075191", decimals: 6 }
payees:
  acme:
    address: "0x06C86c00982B50789830b3b6bfA5A985729f55D8"
    senders: [acme.example]
  northwind:
    address: "0x130286312BA5E7d805330ADFe0059451484a17B5"
limits:
  - perPayment: 42.50 USDC
    perWindow: 250.00 USDC
    window: 24h
    lifetime: 5000 USDC
gas:
  budget: 0.05 ETH
  perOperation: 0.002 ETH
expires: 2030-03-17T17:46:40Z
salt: 7
`;

/** The document with some of its text replaced; a text that is not there is a mistake of the test. */
export function edited(...edits: readonly (readonly [string, string])[]): string {
  return edits.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`The document has no "${from}".`);
    return text.replace(from, () => to);
  }, treasury);
}

export const compiled = (...edits: readonly (readonly [string, string])[]): CompiledPolicy =>
  compilePolicy(parsePolicy(edited(...edits)), agent);
