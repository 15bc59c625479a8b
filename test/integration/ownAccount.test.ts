// An agent on an account that is not there yet: its first operation makes it, grants what the owner signed, pays and commits.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseEther, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { creationOf } from "../../src/chain/accountOrigin.ts";
import { isDeployed } from "../../src/chain/isDeployed.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { fromUserOpJson } from "../../src/chain/entryPoint.ts";
import { gasOf } from "../../src/chain/signOperation.ts";
import type { Operation } from "../../src/core/operation.ts";
import type { House } from "../../src/runtime/house.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import { requireSignatures } from "../../src/runtime/requireSignatures.ts";
import { requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { coinMail, creationsOf, makeUnmadeWorld, signedInstalls, type UnmadeWorld } from "./unmadeWorld.ts";
import { keyOf, paidTo } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-own-account-"));
let local: LocalChain;
beforeAll(async () => {
  local = await startLocalChain();
});
afterAll(async () => {
  await local.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Time goes by block by block, not by the clock. */
async function houseOf(world: UnmadeWorld, mails: Readonly<Record<string, string>>) {
  const state = join(folder, world.name);
  writeInbox(state, mails);
  const house: House = {
    ...openHouse(world, { state, ownerSignatures: await signedInstalls(world) }),
    origin: world.origin,
    sleep: async () => void (await local.request({ method: "evm_mine" })),
  };
  return { house, state };
}
const operationsIn = ({ journal }: House): readonly Operation[] =>
  journal
    .all("select body from operation order by nonce")
    .map(({ body }) => JSON.parse(String(body)) as Operation);
const failuresOf = async (house: House) => {
  const { decisions, failures } = await verifyDecisions(house);
  return [...failures, ...decisions.flatMap((one) => one.failures)];
};
const bill = (reference: string, amount: string) => billMail({ to: "acme", amount, reference });

test("the first operation makes the account, grants, pays and commits; those after it only pay", async () => {
  const world = await makeUnmadeWorld(local, "first");
  const { house, state } = await houseOf(world, { "1.eml": bill("INV-1", "42.50") });
  await requireWholeJournal(house);
  await requireSignatures(world.chain, world.account, world.policy, house.ownerSignatures, world.origin);
  expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
  const [event, ...more] = await creationsOf(world);
  expect([event!.args.owner, more]).toEqual([world.owner.address, []]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);

  writeInbox(state, { "2.eml": coinMail("INV-2", "0.1"), "3.eml": bill("INV-3", "7.00") });
  expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid", "paid", "paid"]);
  const payee = privateKeyToAccount(keyOf(world.name, "acme")).address;
  expect(await world.chain.client.getBalance({ address: payee })).toBe(parseEther("0.1"));
  const operations = operationsIn(house);
  expect(operations.map(({ userOp }) => userOp.factory)).toEqual([
    creationOf(world.origin).factory,
    undefined,
    undefined,
  ]);
  // Each limit's grant rides in the first operation under it.
  expect(operations.map(({ userOp }) => userOp.signature.slice(0, 4))).toEqual(["0x02", "0x02", "0x01"]);
  // What all of that may cost in gas, and what a payment behind it may.
  const [first, , third] = operations.map(({ userOp }) => gasOf(fromUserOpJson(userOp)));
  expect(first).toBeLessThan(330_000n);
  expect(third).toBeLessThan(180_000n);
  expect(await creationsOf(world)).toHaveLength(1);
  expect(await failuresOf(house)).toEqual([]);
  house.journal.close();
});

test("the first operation may pay in native coin, out of what also pays its gas", async () => {
  const world = await makeUnmadeWorld(local, "coin");
  const { house, state } = await houseOf(world, { "1.eml": coinMail("INV-1", "0.25") });
  expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
  const payee = privateKeyToAccount(keyOf(world.name, "acme")).address;
  expect(await world.chain.client.getBalance({ address: payee })).toBe(parseEther("0.25"));
  house.journal.close();
});

test("coin that gas will need is not paid away: that payment is refused, and nothing reverts", async () => {
  const world = await makeUnmadeWorld(local, "all-of-it", { coinWei: parseEther("0.25") });
  const { house, state } = await houseOf(world, { "1.eml": coinMail("INV-1", "0.25") });
  const [report] = await decideAll(house, state);
  expect(report).toMatchObject({ verdict: "deny", reasons: [{ code: "balance" }] });
  expect(report!.reasons[0]!.words).toMatch(
    /holds 0\.25 ETH, which is less than 0\.25 ETH and about 0\.\d+ ETH for gas/,
  );
  expect(operationsIn(house)).toEqual([]);
  house.journal.close();
});

test("where the address holds nothing for gas, the bill is refused with that for a reason, and nothing is sent", async () => {
  const world = await makeUnmadeWorld(local, "poor", { coinWei: 0n });
  const { house, state } = await houseOf(world, { "1.eml": bill("INV-1", "42.50") });
  const [report] = await decideAll(house, state);
  expect(report).toMatchObject({ verdict: "deny", reasons: [{ code: "gas-unfunded" }] });
  expect([operationsIn(house), await isDeployed(world.chain, world.account)]).toEqual([[], false]);
  // What was decided so far can be anchored, and the journal checked, all the same.
  expect(await anchorDecisions(house)).toMatch(/^0x/);
  await requireWholeJournal(house);
  expect(await failuresOf(house)).toEqual([]);
  house.journal.close();
});

test("a signature of somebody else is found out before the account is there, and grants nothing", async () => {
  const world = await makeUnmadeWorld(local, "forged");
  const stranger = privateKeyToAccount(keyOf(world.name, "stranger"));
  const forged = await signedInstalls(world, stranger);
  await expect(
    requireSignatures(world.chain, world.account, world.policy, forged, world.origin),
  ).rejects.toMatchObject({ facts: { error: `WrongSigner(${world.owner.address})` } });
  const { house, state } = await houseOf(world, { "1.eml": bill("INV-1", "42.50") });
  const [report] = await decideAll({ ...house, ownerSignatures: forged }, state);
  expect(report).toMatchObject({ verdict: "deny", reasons: [{ code: "not-granted" }] });
  expect(await isDeployed(world.chain, world.account)).toBe(false);
  house.journal.close();
});

test.each(["sign", "send", "settle"] as const)(
  "cut off behind %s, it carries on: one account, one payment",
  async (step) => {
    const world = await makeUnmadeWorld(local, `cut-${step}`);
    const { house, state } = await houseOf(world, { "1.eml": bill("INV-1", "42.50") });
    const stopping = new AbortController();
    await decideAll(house, state, {
      signal: stopping.signal,
      onPassage: (passage) => {
        if (passage.step === step && passage.at === (step === "settle" ? "begun" : "committed"))
          stopping.abort();
      },
    }).catch(() => undefined);
    house.journal.close();
    const again = await houseOf(world, {});
    await requireWholeJournal(again.house);
    expect((await decideAll(again.house, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
    expect([await creationsOf(world).then((all) => all.length), await paidTo(world, "acme")]).toEqual([
      1,
      42_500_000n,
    ]);
    expect(await failuresOf(again.house)).toEqual([]);
    again.house.journal.close();
  },
);

test("somebody else makes the account behind the signing: that operation expires, and the bill is paid by the next", async () => {
  const world = await makeUnmadeWorld(local, "raced");
  const { house, state } = await houseOf(world, { "1.eml": bill("INV-1", "42.50") });
  const { factory, factoryData } = creationOf(world.origin);
  let raced = false;
  const racing: House = {
    ...house,
    bundler: {
      ...house.bundler,
      async send(userOp, attempt) {
        if (!raced) await sendTransaction(world.chain, localFaucet, { to: factory, data: factoryData });
        raced = true;
        return house.bundler.send(userOp, attempt);
      },
    },
    async sleep() {
      await local.request({ method: "evm_increaseTime", params: [toHex(60)] });
      await local.request({ method: "evm_mine" });
    },
  };
  await decideAll(racing, state);
  expect(reportsOf(house).map(({ outcome }) => outcome)).toEqual(["expired", "paid"]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  expect(operationsIn(house).map(({ userOp }) => userOp.factory)).toEqual([factory, undefined]);
  const owner = await world.chain.client.readContract({
    address: world.account,
    abi: agentAccountAbi,
    functionName: "owner",
  });
  expect(owner).toBe(world.owner.address);
  expect(await failuresOf(house)).toEqual([]);
  house.journal.close();
});
