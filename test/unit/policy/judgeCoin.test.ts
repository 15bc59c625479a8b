import { describe, expect, it } from "vitest";

import { compilePolicy } from "../../../src/policy/compile.ts";
import { judge } from "../../../src/policy/judge.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { isReason, resolveTransfer } from "../../../src/policy/resolve.ts";

// What is paid in native coin, and what its gas takes of the same coin first.

const policy = compilePolicy(
  parsePolicy(`policy: coin
version: 1
chain: 31337
tokens: {}
payees: { acme: { address: "0x00000000000000000000000000000000000ac3e1" } }
limits:
  - { perPayment: "0.5 ETH", perWindow: "1 ETH", window: 24h, lifetime: "2 ETH" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2099-12-31T00:00:00Z"
`),
  "0x0000000000000000000000000000000000000001",
);
const [limit] = policy.limits;
const payment = resolveTransfer(policy, {
  action: "transfer",
  to: "acme",
  amount: "0.25",
  token: "ETH",
  reference: "INV-1",
});
const milli = 10n ** 15n;

/** A quarter of a coin is to be paid, and gas may take two thousandths. */
function reasonsOf(holds: bigint, deposit: bigint, sponsored = false) {
  if (isReason(payment)) throw new Error(payment.words);
  const now = 1_700_000_000n;
  const counters = {
    ring: [0, 0, 0, 0, 0, 0, 0, 0],
    newestBucket: 0,
    lifetime: 0,
    gas: 0,
    treeSize: 0,
    epoch: 0,
    status: "granted",
  } as const;
  const { reasons } = judge({
    policy,
    payment,
    usage: { counters, epoch: 0, frozen: false },
    claim: { validAfter: now, validUntil: now + 300n },
    balanceUnits: holds * milli,
    expectedFeeWei: 2n * milli,
    gasFundsWei: (holds + deposit) * milli,
    circumstances: { sender: null, source: null, earlier: null },
    ...(sponsored ? { chain: { paymaster: limit!.grant.extras.paymaster } } : {}),
  });
  return reasons.map(({ code, words }) => `${code}: ${words}`);
}

describe("coin that pays for gas, too", () => {
  const short = (holds: string, gas: string) => [
    `balance: The account holds ${holds} ETH, which is less than 0.25 ETH and about ${gas} ETH for gas.`,
  ];
  it.each([
    [252n, 0n, []],
    [251n, 0n, short("0.251", "0.002")],
    [251n, 1n, []],
    [250n, 1n, short("0.25", "0.001")],
    [250n, 2n, []],
    [249n, 2n, ["balance: The account holds 0.249 ETH, less than 0.25 ETH."]],
  ])("of %s thousandths, with a deposit of %s", (holds, deposit, said) => {
    expect(reasonsOf(holds, deposit)).toEqual(said);
  });

  it("may be paid to the last where somebody else pays the gas", () => {
    expect(reasonsOf(250n, 0n, true)).toEqual([]);
  });
});
