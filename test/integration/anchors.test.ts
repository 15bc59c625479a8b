import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { fingerprintOf, storedTree } from "../../src/chain/anchor.ts";
import { decisionLogOf } from "../../src/chain/findReceipt.ts";
import { treeRoot } from "../../src/core/merkle.ts";
import { leavesOf } from "../../src/journal/leaves.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import type { House } from "../../src/runtime/house.ts";
import { openTurns } from "../../src/runtime/turns.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { forgerOf } from "./forger.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { keyOf, makeWorld } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-anchors-"));
let chain: LocalChain;
/** Held, anchored, held, anchored: the chain stores the second tree only. */
let house: House;
beforeAll(async () => {
  chain = await startLocalChain();
  const world = await makeWorld(chain, "anchors");
  const state = join(folder, world.name);
  house = openHouse(world, { state });
  for (const reference of ["A-1", "A-2"]) {
    writeInbox(state, { [`${reference}.eml`]: billMail({ to: "acme", amount: "9999.00", reference }) });
    await decideAll(house, state);
    await anchorDecisions(house);
  }
});
afterAll(async () => {
  house.journal.close();
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

// Each forgery is made in a transaction that is taken back.
beforeEach(() => house.journal.run("begin"));
afterEach(() => house.journal.run("rollback"));

/** The same house, whose RPC tells of fewer anchors. */
const withAnchorEvents = (shown: number): House => {
  const { client } = house.chain;
  const getContractEvents = (async (query: Parameters<typeof client.getContractEvents>[0]) => {
    const events = await client.getContractEvents(query);
    return query.eventName === "Anchored" ? events.slice(0, shown) : events;
  }) as typeof client.getContractEvents;
  return { ...house, chain: { ...house.chain, client: { ...client, getContractEvents } } };
};

test("a purse that can't pay for an anchor stops no agent: it is told, and tried again later", async () => {
  const purse = privateKeyToAccount(keyOf("anchors", "an empty purse"));
  await expect(anchorDecisions({ ...house, purse })).rejects.toMatchObject({
    name: "AnchorError",
    retry: "safe",
    facts: { purse: purse.address },
  });
});

test("an anchor that nobody includes is given up after a while, and keeps the purse from nobody meanwhile", async () => {
  const other = openHouse(await makeWorld(chain, "stuck"), { state: join(folder, "stuck") });
  try {
    writeInbox(join(folder, "stuck"), {
      "1.eml": billMail({ to: "acme", amount: "9999.00", reference: "S-1" }),
    });
    await decideAll(other, join(folder, "stuck"));
    const { client } = other.chain;
    // It says that it has it, and has not.
    const sendRawTransaction = (async () => `0x${"ab".repeat(32)}`) as typeof client.sendRawTransaction;
    const deaf: House = { ...other, chain: { ...other.chain, client: { ...client, sendRawTransaction } } };
    const turns = openTurns(1);
    const order: string[] = [];
    const anchoring = anchorDecisions(deaf, { turns, waitMs: 1500 }).catch((error: unknown) => {
      order.push("given up");
      return error;
    });
    await turns.take("first", async () => void order.push("a payment"));
    expect(await anchoring).toMatchObject({ name: "AnchorError", retry: "safe" });
    expect(order).toEqual(["a payment", "given up"]);
    expect(await anchorDecisions(other)).toMatch(/^0x/);
  } finally {
    other.journal.close();
  }
});

test("the chain stores the newest tree", async () => {
  const { account, agent, chain, journal, policy, purse } = house;
  const leaves = leavesOf(journal, agent.name);
  expect(leaves).toHaveLength(2);
  const decisionLog = await decisionLogOf(chain, account);
  expect(await storedTree(chain, purse!.address, decisionLog, account, policy.agent)).toEqual({
    size: 2,
    fingerprint: fingerprintOf(2, treeRoot(leaves)),
  });
  expect(await anchorDecisions(house)).toBeUndefined();
});

test("every tree of the audit log is found, also those that newer ones have replaced", async () => {
  const { decisions, failures } = await verifyDecisions(house);
  expect(failures).toEqual([]);
  expect(decisions.map(({ onChain }) => onChain)).toEqual([true, true]);
});

test.each([0, 1])("an RPC that tells of only %i of two anchors is found out", async (shown) => {
  const { failures } = await verifyDecisions(withAnchorEvents(shown));
  expect(failures).toContainEqual(
    expect.stringMatching(
      /stores a tree of 2 decisions anchored by 0x\w{40}, and its events end with another/,
    ),
  );
});

test("a writer that is no address anchored nothing", async () => {
  forgerOf(house.journal).rewriteEntries(({ body, kind }) =>
    kind === "anchored" ? { ...body, writer: "somebody" } : body,
  );
  const { failures } = await verifyDecisions(house);
  expect(failures.filter((failure) => /says was anchored is not on the chain/.test(failure))).toHaveLength(2);
});
