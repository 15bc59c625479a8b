import { toFunctionSelector, type Address } from "viem";
import { expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { permissionPayees } from "../../../src/policy/permissionPayees.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const spender = address("3");
const usdc = "0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C";
const dai = address("7");

const spend = "function spend(address payer, address token, address payee, uint256 amount, bytes context)";
const call = (where: string, more = "spends: amount", counts = "USDC") =>
  `  - { to: permissions, function: "${spend}", counts: ${counts}, ${more}${more === "" ? "" : ","} where: { ${where} } }\n`;

const payeesOf = (calls: string, twoLimits = false) =>
  permissionPayees(
    compilePolicy(
      parsePolicy(`policy: small
version: 1
chain: 31337
tokens:
  USDC: { address: "${usdc}", decimals: 6 }
  DAI: { address: "${dai}", decimals: 18 }
payees: { acme: { address: "${address("4")}" }, northwind: { address: "${address("5")}" } }
contracts: { permissions: { address: "${spender}" } }
limits:
  - { perPayment: "50.00 USDC", perWindow: "200.00 USDC", window: 24h, lifetime: "2000.00 USDC" }
${twoLimits ? '  - { perPayment: "50.00 DAI", perWindow: "200.00 DAI", window: 24h, lifetime: "2000.00 DAI" }\n' : ""}calls:
${calls}gas: { budget: "0.2 ETH", perOperation: "0.005 ETH" }
expires: "2027-06-01T00:00:00Z"
`),
      address("1"),
    ),
    toFunctionSelector(spend),
    { account: address("6"), spender, token: usdc },
  );

it("are those of the call's rule, and no other names of the policy", () => {
  expect(payeesOf(call("payee: { equals: acme }, token: { equals: USDC }"))).toEqual([
    { name: "acme", address: address("4") },
  ]);
});

it("are told also where the policy has no name for them, and where the agent's account is one", () => {
  expect(
    payeesOf(
      call(`payee: { in: [acme, "${address("9")}"] }, token: { equals: USDC }`) +
        call('payee: { self: true }, token: { equals: USDC }, amount: { atMost: "1.00 USDC" }'),
    ),
  ).toEqual([
    { name: "acme", address: address("4") },
    { name: "an address without a name", address: address("9") },
    { name: "the agent's own account", address: address("6") },
  ]);
});

it.each([
  ["anybody may be paid", call("token: { equals: USDC }"), /may pay anybody/],
  [
    "a number bounds the payee",
    call("token: { equals: USDC }, payee: { in: [acme] }") +
      call('token: { equals: USDC }, amount: { atMost: "5.00 USDC" }'),
    /may pay anybody/,
  ],
  ["any token may be taken", call("payee: { equals: acme }"), /USDC and other tokens alike/],
  [
    "one of several tokens may be taken",
    call("payee: { equals: acme }, token: { in: [USDC, DAI] }"),
    /other tokens alike/,
  ],
  ["nothing is counted", call("payee: { equals: acme }, token: { equals: USDC }", ""), /does not count/],
])("refuses a policy under which %s", (_, calls, why) => {
  expect(() => payeesOf(calls)).toThrow(why);
});

it("looks at the rules of every limit: whoever has the key says under which he pays", () => {
  const usual = call("payee: { equals: acme }, token: { equals: USDC }");
  expect(() =>
    payeesOf(
      usual + call("payee: { equals: northwind }, token: { equals: USDC }", "spends: amount", "DAI"),
      true,
    ),
  ).toThrow(/DAI and other tokens alike/);
  // What takes another token alone takes nothing of this one.
  expect(
    payeesOf(
      usual + call("payee: { equals: northwind }, token: { equals: DAI }", "spends: amount", "DAI"),
      true,
    ),
  ).toEqual([{ name: "acme", address: address("4") }]);
});
