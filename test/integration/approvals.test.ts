import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { encodeFunctionData, parseEther, type Address, type Hex } from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { approvalTypedData } from "../../src/chain/checkApproval.ts";
import { ensureAccount, grantByOwner, sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { recordApproval } from "../../src/chain/recordApproval.ts";
import type { Ask } from "../../src/core/approval.ts";
import { asksIn } from "../../src/journal/asks.ts";
import { backupJournal } from "../../src/journal/backupJournal.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { restoreJournal } from "../../src/journal/restoreJournal.ts";
import type { House } from "../../src/runtime/house.ts";
import { approvalNameOf, takeAnswer } from "../../src/runtime/takeAnswer.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox, type Bill } from "./mails.ts";
import { place } from "./smallContracts.ts";
import { findWorld, keyOf, makeWorld, mint, operationsOf, paidTo, tokenAddress } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-approvals-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const alice = privateKeyToAccount(keyOf("approvals", "alice"));
const mallory = privateKeyToAccount(keyOf("approvals", "mallory"));

/** 500.00 USDC a payment, 700.00 with alice's yes. */
const policyTextOf = (name: string) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${privateKeyToAccount(keyOf(name, "acme")).address}", senders: [acme.example] }
limits:
  - perPayment: "500.00 USDC"
    perWindow: "5000.00 USDC"
    window: 24h
    lifetime: "20000.00 USDC"
    escalation: { upTo: "700.00 USDC" }
approvers:
  alice: { address: "${alice.address}" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

const large: Bill = { to: "acme", amount: "650.00", reference: "INV-7" };

/** A world with an agent that has read one mail; `again` decides whatever waits. */
async function asking(name: string, mail: string, policyText?: string, askSeconds?: number) {
  const world = await makeWorld(chain, name, policyText === undefined ? {} : { policyText });
  const state = join(folder, name);
  writeInbox(state, { "1.eml": mail });
  const house = { ...openHouse(world, { state }), ...(askSeconds === undefined ? {} : { askSeconds }) };
  await decideAll(house, state);
  const again = (mails?: Readonly<Record<string, string>>) => {
    if (mails) writeInbox(state, mails);
    return decideAll(house, state);
  };
  return { again, house, state, world };
}

const asksOf = ({ journal }: House): readonly Ask[] => asksIn(journal).map(({ ask }) => ask);
const inShort = (house: House) =>
  reportsOf(house).map(({ outcome, reasons, verdict }) => [
    verdict,
    outcome,
    ...reasons.map(({ code }) => code),
  ]);

const answer = (
  { agent, chain: where, journal }: House,
  leaf: Hex,
  approver: Address,
  signature: Hex,
): Promise<string | undefined> =>
  takeAnswer(
    { agents: [agent.name], chain: where, journal },
    { leaf, state: "approved", approver, signature, channel: "test", atMs: 1 },
  );
const yes = (ask: Ask, approver: PrivateKeyAccount, over: Partial<Ask> = {}): Promise<Hex> =>
  approver.signTypedData(approvalTypedData(approvalNameOf({ ...ask, ...over }, approver.address)));

const verified = async (house: House): Promise<readonly string[]> => {
  const { decisions, failures } = await verifyDecisions(house);
  return [...failures, ...decisions.flatMap((decision) => decision.failures)].filter(
    // Nothing was paid after the last one, and nothing anchored.
    (failure) => failure !== "The leaf is under no root on the chain.",
  );
};

describe("a payment above the cap of one payment", () => {
  test("waits for an approver, and is made once when one says yes", async () => {
    const { again, house, world } = await asking("above", billMail(large), policyTextOf("above"));
    expect(inShort(house)).toEqual([["ask", "asked", "needs-approval"]]);
    const [ask] = asksOf(house);
    expect(ask).toMatchObject({
      words: "650.00 USDC to acme, reference INV-7",
      approvers: [{ name: "alice", address: alice.address.toLowerCase() }],
      reasons: [{ code: "needs-approval" }],
    });
    expect(await paidTo(world, "acme")).toBe(0n);

    const signature = await yes(ask!, alice);
    expect(await answer(house, ask!.leaf, alice.address, signature)).toBeUndefined();
    // Late and repeated answers are harmless.
    expect(await answer(house, ask!.leaf, alice.address, signature)).toBeUndefined();
    await again();
    expect(inShort(house)).toEqual([
      ["ask", "asked", "needs-approval"],
      ["allow", "paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(650_000_000n);
    expect(reportsOf(house)[1]).toMatchObject({
      approved: { ask: ask!.leaf, approver: alice.address.toLowerCase() },
      economics: null,
    });
    await again();
    expect(await operationsOf(world)).toHaveLength(1);
    expect(await verified(house)).toEqual([]);
    expect(readEntries(house.journal).map(({ kind }) => kind)).toContain("recalled");
    house.journal.close();
  });

  test("is made with an approval that is on the account's record", async () => {
    const { again, house, world } = await asking("recorded", billMail(large), policyTextOf("recorded"));
    const [ask] = asksOf(house);
    expect(await answer(house, ask!.leaf, alice.address, "0x")).toContain("no such approval");
    const { approver, callHash, deadline, nonce, policyId } = approvalNameOf(ask!, alice.address);
    await sendTransaction(world.chain, world.purse, {
      to: world.account,
      data: encodeFunctionData({
        abi: agentAccountAbi,
        functionName: "recordApproval",
        args: [approver, policyId, callHash, nonce, deadline, await yes(ask!, alice)],
      }),
    });
    expect(await answer(house, ask!.leaf, alice.address, "0x")).toBeUndefined();
    await again();
    expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });

  test("is made with a contract's signature, which the purse puts on record", async () => {
    const wallet = await place(chain, "yesWallet");
    const text = policyTextOf("safe").replace(alice.address, wallet);
    const { again, house, world } = await asking("safe", billMail(large), text);
    const [ask] = asksOf(house);
    const signature = `0x${"5a".repeat(130)}` as const;
    expect(await answer(house, ask!.leaf, wallet, signature)).toContain("did not sign");
    const desk = { agents: [house.agent.name], chain: house.chain, journal: house.journal };
    const given = { leaf: ask!.leaf, state: "approved", approver: wallet, channel: "test", atMs: 1 } as const;
    const why = await takeAnswer(
      { ...desk, record: (name, bytes) => recordApproval(world.chain, world.purse, name, bytes) },
      { ...given, signature },
    );
    expect(why).toBeUndefined();
    await again();
    expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });

  test("is not made with the signature of a contract that burns the purse's gas to say so", async () => {
    const wallet = await place(chain, "dearWallet");
    const text = policyTextOf("dear").replace(alice.address, wallet);
    const { house, world } = await asking("dear", billMail(large), text);
    const [ask] = asksOf(house);
    const before = await world.chain.client.getBalance({ address: world.purse.address });
    const name = approvalNameOf(ask!, wallet);
    expect(await recordApproval(world.chain, world.purse, name, `0x${"5a".repeat(130)}`)).toBe(false);
    expect(await world.chain.client.getBalance({ address: world.purse.address })).toBe(before);
    house.journal.close();
  });

  test("is not made by a yes of somebody else, to something else, or in another form", async () => {
    const { again, house, world } = await asking("strangers", billMail(large), policyTextOf("strangers"));
    const [ask] = asksOf(house);
    const { leaf } = ask!;
    const good = await yes(ask!, alice);
    expect(await answer(house, leaf, mallory.address, await yes(ask!, mallory))).toContain("was not asked");
    expect(await answer(house, leaf, alice.address, await yes(ask!, mallory))).toContain("did not sign");
    const other = {
      chain: await yes(ask!, alice, { chainId: 1 }),
      account: await yes(ask!, alice, { account: mallory.address }),
      policy: await yes(ask!, alice, { policyId: leaf }),
      calls: await yes(ask!, alice, { callHash: leaf }),
      nonce: await yes(ask!, alice, { nonce: leaf }),
      deadline: await yes(ask!, alice, { deadline: ask!.deadline + 1 }),
    };
    for (const signature of Object.values(other))
      expect(await answer(house, leaf, alice.address, signature)).toContain("did not sign");
    // The same signature with the higher s is no other signature.
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = (order - BigInt(`0x${good.slice(66, 130)}`)).toString(16).padStart(64, "0");
    const malleable = `${good.slice(0, 66)}${s}${good.endsWith("1b") ? "1c" : "1b"}` as Hex;
    for (const signature of [malleable, `${good}00`, good.slice(0, 60), "0x01"] as Hex[])
      expect(await answer(house, leaf, alice.address, signature)).toContain("did not sign");
    expect(await answer(house, `0x${"12".repeat(32)}`, alice.address, good)).toContain("No agent here");
    await again();
    expect(inShort(house)).toHaveLength(1);
    expect(await paidTo(world, "acme")).toBe(0n);

    expect(await answer(house, leaf, alice.address, good)).toBeUndefined();
    house.journal.close();
  });

  test("is asked about anew when the yes comes too late", async () => {
    const { again, house, world } = await asking("late", billMail(large), policyTextOf("late"), 300);
    const [ask] = asksOf(house);
    // A second each: a claim reaches 270 s beyond the newest block.
    for (let block = 0; block < 31; block++) await chain.request({ method: "evm_mine" });
    expect(await answer(house, ask!.leaf, alice.address, await yes(ask!, alice))).toBeUndefined();
    await again();
    expect(inShort(house)).toEqual([
      ["ask", "asked", "needs-approval"],
      ["ask", "asked", "needs-approval"],
    ]);
    expect(await paidTo(world, "acme")).toBe(0n);
    const second = asksOf(house).find(({ leaf }) => leaf !== ask!.leaf)!;
    expect(await answer(house, second.leaf, alice.address, await yes(second, alice))).toBeUndefined();
    await again();
    expect(await paidTo(world, "acme")).toBe(650_000_000n);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });

  test("is not made when it was declined, whatever comes after", async () => {
    const { again, house, world } = await asking("declined", billMail(large), policyTextOf("declined"));
    const [ask] = asksOf(house);
    const desk = { agents: [house.agent.name], chain: house.chain, journal: house.journal };
    await takeAnswer(desk, { leaf: ask!.leaf, state: "declined", channel: "test", atMs: 1 });
    expect(await answer(house, ask!.leaf, alice.address, await yes(ask!, alice))).toBeUndefined();
    await again();
    expect(inShort(house)).toHaveLength(1);
    expect(await paidTo(world, "acme")).toBe(0n);
    house.journal.close();
  });

  test("is made once where two mails asked for it and both got a yes", async () => {
    const { again, house, world } = await asking("twice", billMail(large), policyTextOf("twice"));
    await again({ "2.eml": billMail({ ...large, greeting: "You have not paid yet:" }) });
    const asks = asksOf(house);
    expect(asks).toHaveLength(2);
    for (const ask of asks) await answer(house, ask.leaf, alice.address, await yes(ask, alice));
    await again();
    expect(await paidTo(world, "acme")).toBe(650_000_000n);
    expect(inShort(house).slice(2)).toEqual([
      ["allow", "paid"],
      ["deny", "refused", "already-paid"],
    ]);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });
});

describe("a question of the runtime's own", () => {
  test("is the owner's to answer where the policy names no approvers", async () => {
    const unvouched = billMail({ to: "acme", amount: "42.50", reference: "INV-1", authenticated: false });
    const { again, house, world } = await asking("unvouched", unvouched);
    expect(inShort(house)).toEqual([["ask", "asked", "sender-unauthenticated"]]);
    const [ask] = asksOf(house);
    expect(ask!.approvers).toEqual([{ name: "owner", address: world.owner.address.toLowerCase() }]);
    expect(await answer(house, ask!.leaf, alice.address, await yes(ask!, alice))).toContain("was not asked");
    expect(await answer(house, ask!.leaf, world.owner.address, await yes(ask!, world.owner))).toBeUndefined();
    await again();
    expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });
});

describe("a yes to what looks as if it was paid", () => {
  const billed = (reference: string, part: Partial<Bill> = {}) =>
    billMail({ to: "acme", amount: "42.50", reference, ...part });
  const openAsks = ({ journal }: House): readonly Ask[] =>
    asksIn(journal).flatMap(({ ask, state }) => (state === "open" ? [ask] : []));

  test("is none to what was paid since: the same bill twice, under two numbers, is paid once", async () => {
    const { again, house, world } = await asking("since", billed("INV-1001"));
    await again({
      "2.eml": billed("INV-2002"),
      "3.eml": billed("REM-9", { greeting: "Reminder of INV-2002:" }),
    });
    const asks = openAsks(house);
    expect(asks).toHaveLength(2);
    for (const ask of asks) await answer(house, ask.leaf, world.owner.address, await yes(ask, world.owner));
    await again();
    expect(inShort(house).slice(3)).toEqual([
      ["allow", "paid"],
      ["ask", "asked", "looks-already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(85_000_000n);
    expect(openAsks(house)[0]!.reasons[0]!.words).toMatch(/[23]\.eml.*1\.eml/);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });

  test("is asked for once, together with what was agreed to before", async () => {
    const { again, house, world } = await asking("in-turn", billed("INV-2002", { authenticated: false }));
    await again({ "2.eml": billed("INV-3003") });
    for (let round = 0; round < 2; round++) {
      const [ask] = openAsks(house);
      await answer(house, ask!.leaf, world.owner.address, await yes(ask!, world.owner));
      await again();
    }
    expect(inShort(house).slice(2)).toEqual([
      ["ask", "asked", "sender-unauthenticated", "looks-already-paid"],
      ["allow", "paid"],
    ]);
    expect(await verified(house)).toEqual([]);
    house.journal.close();
  });
});

test("a yes to a payment out of one account is none to the same out of another, which is asked about", async () => {
  const unvouched = billMail({ to: "acme", amount: "42.50", reference: "INV-1", authenticated: false });
  const { house, state, world } = await asking("moved", unvouched);
  const [ask] = asksOf(house);
  await answer(house, ask!.leaf, world.owner.address, await yes(ask!, world.owner));
  // The configuration names another account of the same owner from now on; the policy's id is the same.
  const account = await ensureAccount(world.chain, localFaucet, world.owner.address, 7n);
  await sendTransaction(world.chain, localFaucet, {
    to: entryPointAddress,
    valueWei: parseEther("1"),
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [account] }),
  });
  await mint(world, account, 10_000_000_000n);
  for (const { grant } of world.policy.limits) await grantByOwner(world.chain, world.owner, account, grant);
  const moved = { ...house, account };
  await decideAll(moved, state);
  expect(inShort(house)).toEqual([
    ["ask", "asked", "sender-unauthenticated"],
    ["ask", "asked", "sender-unauthenticated"],
  ]);
  expect(await operationsOf({ ...world, account })).toEqual([]);

  const again = asksOf(house).find(({ leaf }) => leaf !== ask!.leaf)!;
  expect(again.account).toBe(account.toLowerCase());
  await answer(moved, again.leaf, world.owner.address, await yes(again, world.owner));
  await decideAll(moved, state);
  expect(inShort(house).at(-1)).toEqual(["allow", "paid"]);
  expect(await operationsOf({ ...world, account })).toHaveLength(1);
  const { decisions } = await verifyDecisions(moved);
  expect(decisions.slice(1).map(({ failures }) => failures)).toEqual([[], []]);
  house.journal.close();
});

test("what was asked in a backup is closed when it is restored: the lost journal may have had the yes", async () => {
  const unvouched = billMail({ to: "acme", amount: "42.50", reference: "INV-1", authenticated: false });
  const { again, house, state, world } = await asking("restored", unvouched);
  const [ask] = asksOf(house);
  const copy = join(folder, "restored-copy.db");
  await backupJournal(join(state, "journal.db"), copy);
  const signature = await yes(ask!, world.owner);
  await answer(house, ask!.leaf, world.owner.address, signature);
  await again();
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  house.journal.close();

  const elsewhere = join(folder, "restored-again");
  await restoreJournal(copy, join(elsewhere, "journal.db"));
  writeInbox(elsewhere, {});
  const restored = openHouse(world, { state: elsewhere });
  expect(await answer(restored, ask!.leaf, world.owner.address, signature)).toBeUndefined();
  await decideAll(restored, elsewhere);
  expect(inShort(restored)).toEqual([["ask", "asked", "sender-unauthenticated"]]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  restored.journal.close();
});

describe("a forged journal is found out", () => {
  test("by an ask that says something else", async () => {
    const { again, house } = await asking("forged", billMail(large), policyTextOf("forged"));
    const [ask] = asksOf(house);
    await answer(house, ask!.leaf, alice.address, await yes(ask!, alice));
    await again();
    house.journal.close();
    const raw = new DatabaseSync(join(folder, "forged", "journal.db"));
    raw.exec(
      `update ask set body = replace(body, '"words":"650.00', '"words":"65.00') where leaf = '${ask!.leaf}'`,
    );
    raw.close();
    const reopened = openHouse(await findWorld(chain, "forged", policyTextOf("forged")), {
      state: join(folder, "forged"),
    });
    expect(await verified(reopened)).toContain("The journal's ask is not what the decision asked.");
    reopened.journal.close();
  });

  test("by a yes to a payment out of another account", async () => {
    const unvouched = billMail({ to: "acme", amount: "42.50", reference: "INV-1", authenticated: false });
    const { again, house, state, world } = await asking("elsewhere", unvouched);
    const [ask] = asksOf(house);
    await answer(house, ask!.leaf, world.owner.address, await yes(ask!, world.owner));
    await again();
    expect(await verified(house)).toEqual([]);
    house.journal.close();
    const raw = new DatabaseSync(join(state, "journal.db"));
    raw.exec(`update ask set body = replace(body, '${ask!.account}', '${mallory.address.toLowerCase()}')`);
    raw.close();
    const reopened = openHouse(world, { state });
    expect(await verified(reopened)).toContain(
      'The verdict is "allow"; the judge says "ask, sender-unauthenticated".',
    );
    reopened.journal.close();
  });

  test("by a yes to other words than the judge's", async () => {
    const world = await makeWorld(chain, "reworded");
    const state = join(folder, "reworded");
    const bill = (reference: string, part: Partial<Bill> = {}) =>
      billMail({ to: "acme", amount: "42.50", reference, ...part });
    writeInbox(state, { "1.eml": bill("INV-1"), "2.eml": bill("INV-2") });
    let house = openHouse(world, { state });
    await decideAll(house, state);
    const [ask] = asksOf(house);
    house.journal.close();
    // As if he had been told of a bill that was not there yet.
    const raw = new DatabaseSync(join(state, "journal.db"));
    for (const [table, column] of Object.entries({ ask: "body", output: "value" }))
      raw.exec(`update ${table} set ${column} = replace(${column}, 'paid before: ', 'paid before: more; ')`);
    raw.close();
    house = openHouse(world, { state });
    await answer(house, ask!.leaf, world.owner.address, await yes(ask!, world.owner));
    await decideAll(house, state);
    expect(await verified(house)).toEqual(["What the yes was said to is not what the judge asks."]);
    house.journal.close();
  });
});
