import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, erc20Abi, parseEther, zeroAddress, type Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { permissionSpenderAbi } from "../../src/chain/abi/permissionSpender.ts";
import { connectChain } from "../../src/chain/connectChain.ts";
import { delegationHash } from "../../src/chain/delegationFramework.ts";
import { ensureDeployed, permissionSpenderDeployment, sendTransaction } from "../../src/chain/deploy.ts";
import type { Delegation } from "../../src/core/delegation.ts";
import { putDelegation, setDelegationState } from "../../src/journal/delegations.ts";
import { permissionJson } from "../../src/policy/permission.ts";
import type { House } from "../../src/runtime/house.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import {
  contextOf,
  delegationFor,
  deployFramework,
  framework,
  signDelegation,
  upgrade,
} from "./framework.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { keyOf, makeWorld, mint, paidTo, tokenAddress } from "./world.ts";

// Bills paid under a permission of the payer's wallet (ERC-7715), enforced by the real delegation framework.

const folder = mkdtempSync(join(tmpdir(), "bursar-permitted-"));
const units = 1_000_000n;
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
  await deployFramework(await connectChain({ rpc: chain, chainId: 31337, finality: { depth: 0 } }));
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const payeeOf = (name: string): Address => privateKeyToAccount(keyOf(name, "acme")).address;

const policyTextOf = (name: string, spender: Address) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${payeeOf(name)}", senders: [acme.example] }
contracts:
  permissions: { address: "${spender}" }
limits:
  - { perPayment: "200.00 USDC", perWindow: "400.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
calls:
  - to: permissions
    function: function spend(address payer, address token, address payee, uint256 amount, bytes context)
    counts: USDC
    spends: amount
    where: { payee: { equals: acme }, token: { equals: USDC } }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** An agent that pays under permissions of wallets alone. */
async function permitted(name: string) {
  const before = await makeWorld(chain, name, { grant: false });
  const deployment = permissionSpenderDeployment(before.account, before.agent.address, framework.manager);
  const world = await makeWorld(chain, name, { policyText: policyTextOf(name, deployment.address) });
  await ensureDeployed(world.chain, localFaucet, deployment);
  const state = join(folder, name);
  const house = openHouse(world, { state });
  const decide = (mails: Readonly<Record<string, string>>) => {
    writeInbox(state, mails);
    return decideAll(house, state);
  };
  const holds = (address: Address) =>
    world.chain.client.readContract({
      address: tokenAddress,
      abi: erc20Abi,
      functionName: "balanceOf",
      args: [address],
    });
  return { decide, holds, house, spender: deployment.address, world };
}

/** Somebody who has 1,000 USDC, and whose wallet lets the agent's contract take 150 a day. */
async function payer(
  { house, spender, world }: Awaited<ReturnType<typeof permitted>>,
  who: string,
  enforcer: Address = framework.period,
) {
  const key = privateKeyToAccount(keyOf(world.name, who));
  await sendTransaction(world.chain, localFaucet, { to: key.address, valueWei: parseEther("1") });
  await mint(world, key.address, 1000n * units);
  await upgrade(world.chain, key);
  const { timestamp } = await world.chain.client.getBlock();
  const terms = {
    account: key.address,
    spender,
    manager: framework.manager,
    token: tokenAddress,
    perPeriod: 150n * units,
    period: 86_400,
    start: Number(timestamp) - 60,
    expiry: Number(timestamp) + 30 * 86_400,
    purpose: "Pays the bills.",
  };
  const { caveats, ...rest } = delegationFor(terms);
  const [first, ...others] = caveats;
  const unsigned = { ...rest, caveats: [{ ...first!, enforcer }, ...others] };
  const signature = await signDelegation(key, unsigned);
  const context = contextOf({ ...unsigned, signature });
  const delegation: Delegation = {
    id: delegationHash({ ...unsigned, signature }),
    agent: house.agent.name,
    rung: "erc7715",
    why: "test",
    chainId: 31337,
    contract: spender,
    account: key.address,
    token: { symbol: "USDC", address: tokenAddress, decimals: 6 },
    grant: permissionJson({ ...terms, context, enforcer }),
    source: "token",
    topic: "test",
  };
  putDelegation(house.journal, delegation);
  setDelegationState(house.journal, delegation.id, "inForce");
  return { key, delegation };
}

const bill = (reference: string, amount: string) => billMail({ to: "acme", amount, reference });
const inShort = (house: House) =>
  reportsOf(house).map(({ outcome, reasons, verdict }) => [
    verdict,
    outcome,
    ...reasons.map(({ code }) => code),
  ]);

test("a bill is paid under a wallet's permission, in one operation that commits its decision, and not above the period", async () => {
  const here = await permitted("permitted");
  const { decide, holds, house, world } = here;
  const { key: anna } = await payer(here, "anna");
  await decide({ "1.eml": bill("INV-1", "60.00"), "2.eml": bill("INV-2", "90.01") });
  await decide({ "3.eml": bill("INV-3", "90.00") });
  // The refused one is anchored by the paid one behind it.
  const { decisions, failures } = await verifyDecisions(house);
  expect([...failures, ...decisions.flatMap((decision) => decision.failures)]).toEqual([]);
  await decide({ "4.eml": bill("INV-4", "1.00") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["deny", "refused", "delegation-window"],
    ["allow", "paid"],
    ["deny", "refused", "delegation-window"],
  ]);
  expect(await paidTo(world, "acme")).toBe(150n * units);
  expect(await holds(anna.address)).toBe(850n * units);
  // The agent's own money is not touched.
  expect(await holds(world.account)).toBe(20_000n * units);
  house.journal.close();
});

test("nothing is paid once the payer has revoked, by a plain transaction to the agent's contract", async () => {
  const here = await permitted("takenback");
  const { decide, house, world } = here;
  const { delegation, key: anna } = await payer(here, "anna");
  await decide({ "1.eml": bill("INV-1", "60.00") });
  await sendTransaction(world.chain, anna, {
    to: delegation.contract,
    data: encodeFunctionData({
      abi: permissionSpenderAbi,
      functionName: "revoke",
      args: [delegation.id],
    }),
  });
  await decide({ "2.eml": bill("INV-2", "1.00") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["deny", "refused", "delegation-revoked"],
  ]);
  expect(await paidTo(world, "acme")).toBe(60n * units);
  house.journal.close();
});

test("a payer whose account obeys permissions no more stops nobody else's", async () => {
  const here = await permitted("plainagain");
  const { decide, holds, house, world } = here;
  const { key: anna } = await payer(here, "anna");
  const { key: ben } = await payer(here, "ben");
  await upgrade(world.chain, ben, zeroAddress);
  await decide({ "1.eml": bill("INV-1", "60.00") });
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  expect([await holds(anna.address), await holds(ben.address)]).toEqual([940n * units, 1000n * units]);
  // Where nobody's does, the newest tells why.
  await upgrade(world.chain, anna, zeroAddress);
  await decide({ "2.eml": bill("INV-2", "1.00") });
  expect(inShort(house).at(-1)).toEqual(["deny", "refused", "delegation-refused"]);
  house.journal.close();
});

// Wallets name their enforcers, and what lies there may be other code by now.
test.each([
  ["loops for ever", "0x5b5f56"],
  ["is gone", "0x"],
  ["says nothing", "0x00"],
  ["refuses", "0x5f5ffd"],
] as const)("a payer whose enforcer %s stops nobody else's payments", async (what, code) => {
  const here = await permitted(what.replaceAll(" ", "-"));
  const { decide, holds, house } = here;
  const { key: anna } = await payer(here, "anna");
  const enforcer = privateKeyToAccount(keyOf("enforcer", what)).address;
  await payer(here, "ben", enforcer);
  await chain.request({ method: "hardhat_setCode", params: [enforcer, code] });
  await decide({ "1.eml": bill("INV-1", "60.00") });
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  expect(await holds(anna.address)).toBe(940n * units);
  house.journal.close();
});
