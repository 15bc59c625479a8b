import type { Address } from "viem";
import { expect, it } from "vitest";

import type { GrantDelegation } from "../../../../src/core/delegation.ts";
import { revokeCalls } from "../../../../src/runtime/delegate/endDelegation.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const delegation: GrantDelegation = {
  id: `0x${"ab".repeat(32)}`,
  agent: "treasurer",
  rung: "erc7715",
  why: "test",
  chainId: 31337,
  contract: address("3"),
  account: address("2"),
  token: { symbol: "USDC", address: address("4"), decimals: 6 },
  grant: {},
  source: "token",
  topic: "test",
};

it("are none where the agent's contract is not there: the chain would take them, and nothing would be over", () => {
  expect(() => revokeCalls({ budget: undefined, delegation })).toThrow(/a call of it would do nothing/);
  const permission = { hash: delegation.id, revoked: false, available: 1n, balance: 1n, refusal: null };
  expect(revokeCalls({ budget: undefined, delegation, permission })).toMatchObject([{ to: address("3") }]);
});

it("are none either where nobody knows whether it is there, which is said as it is", () => {
  const unknown = "it is on chain 10, and the configuration's is 31337";
  expect(() => revokeCalls({ budget: undefined, delegation, unknown })).toThrow(
    /is not known: it is on chain 10/,
  );
  const grant = { ...delegation, rung: "spendGrant" as const };
  expect(revokeCalls({ budget: undefined, delegation: grant, unknown })).toMatchObject([
    { to: address("3") },
  ]);
});
