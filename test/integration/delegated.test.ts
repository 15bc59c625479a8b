import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, erc20Abi, parseEther, zeroHash, type Address, type Hex } from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { confirmRefusal } from "../../src/chain/bundler/confirmRefusal.ts";
import { ensureDeployed, sendTransaction, spendGrantDeployment } from "../../src/chain/deploy.ts";
import { ChainRefusalError } from "../../src/chain/errors.ts";
import type { Delegation } from "../../src/core/delegation.ts";
import type { Entry } from "../../src/core/entry.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import { putDelegation, setDelegationState } from "../../src/journal/delegations.ts";
import { readEntries } from "../../src/journal/entries.ts";
import {
  spendGrantArgument,
  spendGrantDomain,
  spendGrantHash,
  spendGrantTypes,
  type SpendGrant,
} from "../../src/policy/spendGrant.ts";
import { spendGrantJson, spendGrantOf } from "../../src/policy/spendGrantJson.ts";
import type { House } from "../../src/runtime/house.ts";
import { readEvidence } from "../../src/runtime/verify/evidence.ts";
import { partingFailures } from "../../src/runtime/verify/partingFailures.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { keyOf, makeWorld, mint, paidTo, tokenAddress, type World } from "./world.ts";

// Bills paid out of the plain account of somebody who signed a grant and allowed a contract to pull.

const folder = mkdtempSync(join(tmpdir(), "bursar-delegated-"));
const contract = spendGrantDeployment.address;
const units = 1_000_000n;
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const payeeOf = (name: string): Address => privateKeyToAccount(keyOf(name, "acme")).address;
const otherOf = (name: string): Address => privateKeyToAccount(keyOf(name, "globex")).address;

const policyTextOf = (name: string) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${payeeOf(name)}", senders: [acme.example] }
  globex: { address: "${otherOf(name)}", senders: [globex.example] }
contracts:
  grants: { address: "${contract}" }
limits:
  - { perPayment: "200.00 USDC", perWindow: "400.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
calls:
  - to: grants
    function: function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)
    counts: USDC
    spends: amount
    where: { payee: { in: [acme, globex] } }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** Anna has 1,000 USDC and lets the agent pay acme 100 a payment, 150 a day, 1,000 in all. */
async function delegated(name: string, over: Partial<SpendGrant> = {}, allowance = 1000n * units) {
  const world = await makeWorld(chain, name, { policyText: policyTextOf(name) });
  await ensureDeployed(world.chain, localFaucet, spendGrantDeployment);
  const state = join(folder, name);
  const house = openHouse(world, { state });
  const { delegation, grant, payer: anna } = await alsoBy("anna", { house, name, world }, over, allowance);
  const decide = (mails: Readonly<Record<string, string>>) => {
    writeInbox(state, mails);
    return decideAll(house, state);
  };
  return { anna, decide, delegation, grant, house, name, world };
}

/** One more payer, whose delegation is the newest. */
async function alsoBy(
  who: string,
  { house, name, world }: { readonly house: House; readonly name: string; readonly world: World },
  over: Partial<SpendGrant> = {},
  allowance = 1000n * units,
) {
  const payer = privateKeyToAccount(keyOf(name, who));
  await sendTransaction(world.chain, localFaucet, { to: payer.address, valueWei: parseEther("1") });
  await mint(world, payer.address, 1000n * units);
  const { timestamp } = await world.chain.client.getBlock();
  const grant: SpendGrant = {
    account: payer.address,
    agent: world.account,
    agentKey: world.agent.address,
    token: tokenAddress,
    perCall: 100n * units,
    perWindow: 150n * units,
    window: 86_400,
    total: 1000n * units,
    validAfter: Number(timestamp) - 60,
    validUntil: Number(timestamp) + 30 * 86_400,
    payees: [payeeOf(name)],
    anyPayee: false,
    epoch: 0n,
    salt: 7n,
    purpose: "Pays Anna's bills.",
    policyHash: zeroHash,
    ...over,
  };
  await sendTransaction(world.chain, payer, {
    to: tokenAddress,
    data: encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [contract, allowance] }),
  });
  await sendTransaction(world.chain, world.purse, {
    to: contract,
    data: encodeFunctionData({
      abi: spendGrantAbi,
      functionName: "approveBySignature",
      args: [spendGrantArgument(grant), await sign(payer, grant)],
    }),
  });
  const delegation: Delegation = {
    id: spendGrantHash(grant, 31337, contract),
    agent: house.agent.name,
    rung: "spendGrant",
    why: "test",
    chainId: 31337,
    contract,
    account: payer.address,
    token: { symbol: "USDC", address: tokenAddress, decimals: 6 },
    grant: spendGrantJson(grant),
    source: "token",
    topic: "test",
  };
  putDelegation(house.journal, delegation);
  setDelegationState(house.journal, delegation.id, "inForce");
  return { delegation, grant, payer };
}

const sign = (anna: PrivateKeyAccount, grant: SpendGrant) =>
  anna.signTypedData({
    domain: spendGrantDomain(31337, contract),
    types: spendGrantTypes,
    primaryType: "AgentSpendGrant",
    message: grant,
  });

const bill = (reference: string, amount: string, to = "acme") => billMail({ to, amount, reference });
const inShort = (house: House) =>
  reportsOf(house).map(({ outcome, reasons, verdict }) => [
    verdict,
    outcome,
    ...reasons.map(({ code }) => code),
  ]);
const holds = ({ chain: { client } }: World, address: Address) =>
  client.readContract({ address: tokenAddress, abi: erc20Abi, functionName: "balanceOf", args: [address] });

test("a bill is paid out of the payer's account, in one operation that commits its decision", async () => {
  const { anna, decide, house, world } = await delegated("paid");
  await decide({ "1.eml": bill("INV-1", "60.00") });
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  expect(await paidTo(world, "acme")).toBe(60n * units);
  expect(await holds(world, anna.address)).toBe(940n * units);
  // The agent's own money is not touched.
  expect(await holds(world, world.account)).toBe(10_000n * units);
  const { decisions, failures } = await verifyDecisions(house);
  expect([...failures, ...decisions.flatMap((decision) => decision.failures)]).toEqual([]);
  house.journal.close();
});

test("whatever the grant does not allow is refused before anything is signed, and by the chain", async () => {
  const { decide, house, world } = await delegated("limits");
  await decide({
    "1.eml": bill("INV-1", "100.01"),
    "2.eml": bill("INV-2", "50.00", "globex"),
    "3.eml": bill("INV-3", "100.00"),
    "4.eml": bill("INV-4", "50.01"),
    "5.eml": bill("INV-5", "50.00"),
    "6.eml": bill("INV-6", "200.01"),
  });
  expect(inShort(house)).toEqual([
    ["deny", "refused", "delegation-per-payment"],
    ["deny", "refused", "delegation-payee"],
    ["allow", "paid"],
    ["deny", "refused", "delegation-window"],
    ["allow", "paid"],
    ["deny", "refused", "over-per-payment", "delegation-per-payment", "delegation-window"],
  ]);
  expect(await paidTo(world, "acme")).toBe(150n * units);
  house.journal.close();
});

test("nothing is paid once the payer has revoked, or allows or has too little", async () => {
  const { anna, decide, grant, house, world } = await delegated("revoked", {}, 70n * units);
  await decide({ "1.eml": bill("INV-1", "60.00"), "2.eml": bill("INV-2", "10.01") });
  await sendTransaction(world.chain, anna, {
    to: contract,
    data: encodeFunctionData({
      abi: spendGrantAbi,
      functionName: "revoke",
      args: [spendGrantHash(grant, 31337, contract)],
    }),
  });
  await decide({ "3.eml": bill("INV-3", "1.00") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["deny", "refused", "delegation-allowance"],
    ["deny", "refused", "delegation-revoked"],
  ]);
  house.journal.close();
});

test("an agent whose payer's session is over has nothing to spend", async () => {
  const { decide, delegation, house, world } = await delegated("paused");
  setDelegationState(house.journal, delegation.id, "paused");
  await decide({ "1.eml": bill("INV-1", "60.00") });
  expect(inShort(house)).toEqual([["deny", "refused", "no-delegation"]]);
  expect(await holds(world, world.account)).toBe(10_000n * units);
  house.journal.close();
});

test("a payer who parts while his bill is thought about pays no more", async () => {
  const { delegation, house, name, world } = await delegated("parted");
  const state = join(folder, name);
  writeInbox(state, { "1.eml": bill("INV-1", "60.00") });
  await decideAll(house, state, {
    onPassage({ at, step }) {
      if (step === "observe" && at === "committed")
        setDelegationState(house.journal, delegation.id, "paused");
    },
  });
  expect(inShort(house)).toEqual([["allow", "refused", "delegation-paused"]]);
  expect(await paidTo(world, "acme")).toBe(0n);
  const { decisions, failures } = await verifyDecisions(house);
  expect([...failures, ...decisions.flatMap((decision) => decision.failures)].map(String)).toEqual([
    // Nothing was paid after it, and nothing anchored.
    "The leaf is under no root on the chain.",
  ]);
  // A log that never told so, or told it only afterwards, shows that he had not.
  const evidence = readEvidence(house, allDecisions(house.journal, "treasurer")[0]!);
  const entries = readEntries(house.journal);
  const refused = entries.find(({ kind }) => kind === "refused")!;
  const isTold = ({ body }: Entry) => body["state"] === "paused";
  const untold = ["The audit log does not tell that whoever delegated had parted."];
  expect(partingFailures(evidence, entries)).toEqual([]);
  expect(
    partingFailures(
      evidence,
      entries.filter((entry) => !isTold(entry)),
    ),
  ).toEqual(untold);
  const late = (entry: Entry) => (isTold(entry) ? { ...entry, sequence: refused.sequence + 1 } : entry);
  expect(partingFailures(evidence, entries.map(late))).toEqual(untold);
  house.journal.close();
});

test("a payer who revokes while his bill is signed pays no more, and the refusal names his grant", async () => {
  const { anna, delegation, house: own, name, world } = await delegated("revoked-amid");
  const state = join(folder, name);
  writeInbox(state, { "1.eml": bill("INV-1", "60.00") });
  const { bundler } = own;
  const house: House = {
    ...own,
    bundler: {
      ...bundler,
      async estimateGas(draft) {
        await sendTransaction(world.chain, anna, stopOf.revoked(delegation.id));
        return bundler.estimateGas(draft);
      },
    },
  };
  await decideAll(house, state);
  expect(await paidTo(world, "acme")).toBe(0n);
  const [{ outcome, reasons }] = reportsOf(house) as [ReturnType<typeof reportsOf>[0]];
  expect([outcome, reasons.at(-1)!.words]).toEqual([
    "refused",
    expect.stringContaining(`the grant ${delegation.id} was revoked for good`),
  ]);
  // The same is said to whoever brings it anew.
  const again = encodeFunctionData({
    abi: spendGrantAbi,
    functionName: "approve",
    args: [spendGrantArgument(spendGrantOf(delegation.grant))],
  });
  await expect(sendTransaction(world.chain, anna, { to: contract, data: again })).rejects.toThrow(
    `the grant ${delegation.id} was revoked for good`,
  );
  house.journal.close();
});

test("a bundler's word alone that the chain refuses a payer's payment does not give it up", async () => {
  const { house, name, world } = await delegated("liar");
  const state = join(folder, name);
  writeInbox(state, { "1.eml": bill("INV-1", "60.00") });
  const told = new ChainRefusalError({ code: null, error: "0x", words: "no" });
  const bundler: House["bundler"] = {
    ...house.bundler,
    async estimateGas(draft) {
      throw await confirmRefusal(world.chain, "liar", draft, told);
    },
  };
  await expect(decideAll({ ...house, bundler }, state, { backOffMs: [] })).rejects.toMatchObject({
    name: "BundlerError",
    retry: "safe",
    message: expect.stringContaining("refuses to estimate what our own node would take"),
  });
  await decideAll(house, state);
  expect(inShort(house)).toEqual([["allow", "paid"]]);
  house.journal.close();
});

test("a payer who parts behind the signature pays no more: it is not sent, runs out, and is not signed again", async () => {
  const { delegation, house: own, name, world } = await delegated("parted-behind");
  const state = join(folder, name);
  writeInbox(state, { "1.eml": bill("INV-1", "60.00") });
  let sends = 0;
  const house: House = {
    ...own,
    bundler: { ...own.bundler, send: (userOp) => (sends++, own.bundler.send(userOp)) },
    // Time goes by block by block, not by the clock.
    sleep: async () => void (await chain.request({ method: "evm_mine" })),
  };
  await decideAll(house, state, {
    onPassage({ at, step }) {
      if (step === "sign" && at === "committed") setDelegationState(house.journal, delegation.id, "paused");
    },
  });
  expect(inShort(house).map(([, ...rest]) => rest)).toEqual([
    ["expired", "expired"],
    ["refused", "no-delegation"],
  ]);
  expect([sends, await paidTo(world, "acme")]).toEqual([0, 0n]);
  house.journal.close();
});

const stopOf = {
  revoked: (id: Hex) => ({
    to: contract,
    data: encodeFunctionData({ abi: spendGrantAbi, functionName: "revoke", args: [id] }),
  }),
  "revoked with all others": () => ({
    to: contract,
    data: encodeFunctionData({ abi: spendGrantAbi, functionName: "revokeAll" }),
  }),
  "without an allowance": () => ({
    to: tokenAddress,
    data: encodeFunctionData({ abi: erc20Abi, functionName: "approve", args: [contract, 0n] }),
  }),
} as const;

test.each(Object.keys(stopOf) as (keyof typeof stopOf)[])(
  "a newer delegation that is %s stops nobody else's",
  async (how) => {
    const scene = await delegated(`over-${how.replaceAll(" ", "-")}`);
    const { anna, decide, house, world } = scene;
    const { delegation, payer: ben } = await alsoBy("ben", scene);
    await decide({ "1.eml": bill("INV-1", "60.00") });
    await sendTransaction(world.chain, ben, stopOf[how](delegation.id));
    await decide({ "2.eml": bill("INV-2", "50.00") });
    expect(inShort(house)).toEqual([
      ["allow", "paid"],
      ["allow", "paid"],
    ]);
    // The newest while it stood; the one before it when it was over.
    expect([await holds(world, ben.address), await holds(world, anna.address)]).toEqual([
      940n * units,
      950n * units,
    ]);
    house.journal.close();
  },
);

test("a newer delegation that is used up stops nobody else's; a window that is used up waits", async () => {
  const scene = await delegated("used-up");
  const { anna, decide, house, world } = scene;
  const { payer: ben } = await alsoBy("ben", scene, {
    perCall: 60n * units,
    perWindow: 60n * units,
    total: 60n * units,
  });
  await decide({ "1.eml": bill("INV-1", "60.00"), "2.eml": bill("INV-2", "50.00") });
  const { payer: carl } = await alsoBy("carl", scene, { perCall: 40n * units, perWindow: 40n * units });
  await decide({ "3.eml": bill("INV-3", "40.00"), "4.eml": bill("INV-4", "30.00") });
  expect(inShort(house)).toEqual([
    ["allow", "paid"],
    ["allow", "paid"],
    ["allow", "paid"],
    ["deny", "refused", "delegation-window"],
  ]);
  expect(await Promise.all([ben, anna, carl].map(({ address }) => holds(world, address)))).toEqual([
    940n * units,
    950n * units,
    960n * units,
  ]);
  house.journal.close();
});

test("a delegation to the key that the agent had before is none: nothing is signed that the chain refuses for ever", async () => {
  const other = privateKeyToAccount(keyOf("former", "former")).address;
  const { anna, decide, house, world } = await delegated("former", { agentKey: other });
  await decide({ "1.eml": bill("INV-1", "60.00") });
  expect(inShort(house)).toEqual([["deny", "refused", "no-delegation"]]);
  expect(await holds(world, anna.address)).toBe(1000n * units);
  house.journal.close();
});
