import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

import { getAddress, parseUnits, type Address } from "viem";
import { describe, expect, it } from "vitest";

import { accountOf } from "../../../../src/chain/accountOrigin.ts";
import { spendGrantDeployment } from "../../../../src/chain/deploy.ts";
import { compilePolicy } from "../../../../src/policy/compile.ts";
import { grantJson, grantOf } from "../../../../src/policy/grantJson.ts";
import { parsePolicy } from "../../../../src/policy/parse.ts";
import { stopCardOf } from "../../../../src/runtime/delegate/accountStopCard.ts";
import { explainAccount } from "../../../../src/runtime/delegate/explainAccount.ts";
import { originFor, requireSignable } from "../../../../src/runtime/delegate/payersAccount.ts";
import { rungFor } from "../../../../src/runtime/delegate/plannedRung.ts";
import { accountStopsOf } from "../../../../src/runtime/delegate/stopCard.ts";

const agent = getAddress("0x00000000000000000000000000000000000a9e17");
const payer = getAddress("0x0000000000000000000000000000000000a11ce5");

const coin = `  - { perPayment: "0.2 ETH", perWindow: "1 ETH", window: 24h, lifetime: "2 ETH" }`;
const tokens = `  - { perPayment: "50.00 USDC", perWindow: "1000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }`;
const throughGrants = `
calls:
  - to: grants
    function: function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)
    counts: USDC
    spends: amount
    where: { payee: { equals: acme } }
`;
const policyOf = (limits: string, more = "", key = agent) =>
  compilePolicy(
    parsePolicy(`policy: own
version: 1
chain: 31337
tokens:
  USDC: { address: "0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C", decimals: 6 }
payees:
  acme: { address: "0x00000000000000000000000000000000000ac3e1" }
contracts:
  grants: { address: "${spendGrantDeployment.address}" }
limits:
${limits}
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
${more}`),
    key,
  );

describe("the rung that a policy takes", () => {
  const granted = policyOf(tokens, throughGrants);
  it.each([
    ["native coin", policyOf(coin), {}, "account"],
    ["tokens out of the account itself", policyOf(tokens), {}, "account"],
    ["tokens under grants", granted, {}, "spendGrant"],
    ["tokens under grants, asked for", granted, { rung: "spendGrant" }, "spendGrant"],
    ["coin, asked for", policyOf(coin), { rung: "account" }, "account"],
    [
      "the one of two that is named",
      policyOf(`${coin}\n${tokens}`, throughGrants),
      { token: "USDC" },
      "spendGrant",
    ],
  ] as const)("follows from %s", (_, policy, asked, rung) => {
    expect(rungFor(policy, asked)).toBe(rung);
  });

  it.each([
    [
      "a grant for coin",
      policyOf(coin),
      { rung: "spendGrant" },
      /No grant can serve the policy: it spends ETH/,
    ],
    [
      "an account for what is spent under grants",
      granted,
      { rung: "account" },
      /can't serve the policy: it spends USDC under grants/,
    ],
    [
      "both at once",
      policyOf(`${coin}\n${tokens}`, throughGrants),
      {},
      /it spends USDC under grants of others/,
    ],
    ["something else", granted, { rung: "erc7715" }, /There is no rung "erc7715"/],
  ] as const)("%s is refused with the way out", (_, policy, asked, why) => {
    expect(() => rungFor(policy, asked)).toThrow(why);
  });
});

describe("what a payer's signature alone can do", () => {
  it.each([
    ["guardians", `guardians:\n  ben: { address: "0x0000000000000000000000000000000000000be1" }`],
    ["accountCaps", `accountCaps:\n  - { perWindow: "10.00 USDC", window: 24h }`],
    ["heartbeat", "heartbeat: 30d"],
  ])("is not %s", (name, clause) => {
    expect(() => requireSignable(policyOf(tokens, clause), payer)).toThrow(
      `The payer's signature can't put ${name} of the policy in force`,
    );
  });

  it("is nothing where the agent's key is the payer's own", () => {
    expect(() => requireSignable(policyOf(tokens), payer)).not.toThrow();
    expect(() => requireSignable(policyOf(tokens, "", payer), payer)).toThrow("no policy would bound it");
  });
});

it("the account follows from payer, agent and policy, and from nothing else", () => {
  const policy = policyOf(coin);
  const origin = originFor(payer, policy);
  expect(originFor(payer.toLowerCase() as Address, policyOf(coin))).toEqual(origin);
  const others = [
    originFor(agent, policy),
    originFor(payer, policyOf(tokens)),
    originFor(payer, policyOf(coin, "", payer)),
  ];
  expect(new Set([origin, ...others].map(accountOf)).size).toBe(4);
});

it("a payer reads whose the account is, the worst case, what it has to hold, and how he takes it back", () => {
  const policy = policyOf(`${coin}\n${tokens}`);
  const origin = originFor(payer, policy);
  const said = explainAccount(policy, accountOf(origin), origin, false, 2).join("\n");
  for (const part of [
    `is ${origin.owner}'s alone`,
    "Nothing is there yet",
    "at most 0.2 ETH at a time, 1 ETH in any 24 hours, 2 ETH in all",
    "It has to hold what the agent is to pay, ETH and USDC",
    "withdraw(asset, to, amount)",
    "withdrawDeposit(to, amount)",
    "You sign 2 times",
  ])
    expect(said).toContain(part);
});

it("a stop card of an account that is not there begins with making it, and takes out what it holds", () => {
  const origin = originFor(payer, policyOf(coin));
  const account = accountOf(origin);
  const policyId = `0x${"12".repeat(32)}` as const;
  const asset = "0x0000000000000000000000000000000000000000";
  const card = (made: boolean) =>
    accountStopsOf({
      chainId: 10,
      account,
      origin,
      made,
      limits: [{ symbol: "ETH", policyId }],
      holds: [{ asset, units: parseUnits("1", 18), words: "1 ETH" }],
      depositWei: 7n,
    }).map(({ link }) => link);
  const there = [
    `ethereum:${account}@10/freeze`,
    `ethereum:${account}@10/revoke?bytes32=${policyId}`,
    `ethereum:${account}@10/revokeAll`,
    `ethereum:${account}@10/withdraw?address=${asset}&address=${origin.owner}&uint256=1000000000000000000`,
    `ethereum:${account}@10/withdrawDeposit?address=${origin.owner}&uint256=7`,
  ];
  expect(card(true)).toEqual(there);
  const [first, ...others] = card(false);
  expect(first).toMatch(
    new RegExp(`@10/createAccount\\?address=${origin.owner}&uint256=${BigInt(origin.salt)}$`),
  );
  expect(others).toEqual(there);
});

it("a stop card is told also where the chain can't be asked what the account holds", async () => {
  const origin = originFor(payer, policyOf(coin));
  const rpc = await closedPort();
  const own = { account: accountOf(origin), origin, made: true, delegations: [] };
  const stops = await stopCardOf({ chain: { rpc, chainId: 10, finality: { depth: 0 } } }, own);
  expect(stops.map(({ link }) => link.split("/")[1])).toEqual([
    "freeze",
    "revokeAll",
    `withdrawDeposit?address=${payer}&uint256=0`,
  ]);
  expect(stops.at(-1)!.words).not.toMatch(/now/);
});

/** URL of a port of this machine on which nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return `http://127.0.0.1:${port}`;
}

it("a grant in a journal is the grant that was signed", () => {
  for (const { grant } of policyOf(`${coin}\n${tokens}`).limits)
    expect(grantOf(grantJson(grant))).toEqual(grant);
});
