import { readFileSync } from "node:fs";
import { join } from "node:path";

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
  return changed(treasury, edits);
}

export const compiled = (...edits: readonly (readonly [string, string])[]): CompiledPolicy =>
  compilePolicy(parsePolicy(edited(...edits)), agent);

/** The text of a policy that ships with the repository. */
export const shipped = (name: string): string =>
  readFileSync(join(import.meta.dirname, `../../../policies/${name}.yaml`), "utf8");

/** A policy in two assets with all that the language has; each text occurs once, so that tests can change it. */
export const everything = `policy: everything
version: 1
chain: 1
tokens:
  USDC: { address: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6 }
  WETH: { address: "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", decimals: 18 }
payees:
  router: { address: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45", contract: true }
  purse: { address: "0x5555555555555555555555555555555555555555", purse: true }
contracts:
  vault: { address: "0x7777777777777777777777777777777777777777" }
limits:
  - perPayment: 50 USDC
    perWindow: 60 USDC
    window: 24h
    lifetime: 1500 USDC
    functions: [approve, permit]
    operations: { perWindow: 3, lifetime: 60 }
    escalation: { upTo: 55 USDC }
  - { perPayment: 0.1 ETH, perWindow: 0.2 ETH, window: 6h, lifetime: 2 ETH }
calls:
  - to: router
    function: exactInputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, uint256 amountIn, uint256 amountOutMinimum, uint160 sqrtPriceLimitX96) params) payable
    counts: USDC
    where:
      params.tokenIn: { equals: USDC }
      params.fee: { in: [500, 3000] }
      params.recipient: { self: true }
      params.amountIn: { atMost: 50 USDC, atLeast: 1 USDC }
  - { to: vault, function: "deposit(uint256 assets, address receiver)", counts: ETH, spends: assets, where: { receiver: { self: true } } }
approvers:
  alice: { address: "0x3333333333333333333333333333333333333333" }
guardians:
  bob: { address: "0x4444444444444444444444444444444444444444" }
heartbeat: 30d
paymaster: "0x8888888888888888888888888888888888888888"
accountCaps:
  - { perWindow: 200 USDC, window: 12h }
gas: { budget: 0.05 ETH, perOperation: 0.002 ETH }
expires: 2030-03-17T17:46:40Z
`;

const changed = (text: string, edits: readonly (readonly [string, string])[]): string =>
  edits.reduce((changing, [from, to]) => {
    if (!changing.includes(from)) throw new Error(`The document has no "${from}".`);
    return changing.replace(from, () => to);
  }, text);
export const editedEverything = (...edits: readonly (readonly [string, string])[]): string =>
  changed(everything, edits);
