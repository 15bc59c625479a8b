import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { ChainRefusalError } from "../../src/chain/errors.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { checkJournal } from "../../src/runtime/doctor/house.ts";
import type { House } from "../../src/runtime/house.ts";
import { heldAt, releaseAt } from "../../src/runtime/journalFiles.ts";
import { ChainBehindError, LaneHeldError } from "../../src/runtime/lane.ts";
import { requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { useNonceElsewhere } from "./stranger.ts";
import { grantAnew, makeWorld, newKeyOf, operationsOf, type World } from "./world.ts";

// Somebody else used the agent's nonce, and what comes after that.

const folder = mkdtempSync(join(tmpdir(), "bursar-foreign-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const mine = () => chain.request({ method: "evm_mine" });
const bill = (number: number, amount = `4${number}.50`) =>
  billMail({ to: "acme", amount, reference: `INV-${number}` });
const aa25 = new ChainRefusalError({ code: "AA25", error: "AA25", words: "invalid account nonce" });
const stateOf = (world: World) => join(folder, world.name);
const laneIn = (world: World) => `lane:${world.account.toLowerCase()}/${world.agent.address.toLowerCase()}`;

/** Does something with a world's house over a bundler that is made of its real one. Time goes by block by block. */
async function within<T>(
  world: World,
  work: (house: House, sent: readonly unknown[]) => Promise<T>,
  bundlerOf: (own: Bundler) => Bundler = (own) => own,
): Promise<T> {
  const sent: unknown[] = [];
  const bundler = bundlerOf(ownBundler(world.chain, { executor: world.purse }));
  const house: House = {
    ...openHouse(world, {
      state: stateOf(world),
      bundler: {
        ...bundler,
        send(userOp, attempt) {
          sent.push(userOp);
          return bundler.send(userOp, attempt);
        },
      },
    }),
    async sleep() {
      await mine();
    },
  };
  try {
    return await work(house, sent);
  } finally {
    house.journal.close();
  }
}

let delivered = 0;
/** Delivers bills and decides them all. */
const decide = (world: World, mails: readonly string[], bundlerOf?: (own: Bundler) => Bundler) =>
  within(
    world,
    async (house, sent) => {
      writeInbox(stateOf(world), Object.fromEntries(mails.map((mail) => [`${delivered++}.eml`, mail])));
      const reports = await decideAll(house, stateOf(world), { backOffMs: [] });
      return { reports, sent, outcomes: reports.map(({ outcome }) => outcome) };
    },
    bundlerOf,
  );
const entriesOf = (world: World) => within(world, async ({ journal }) => readEntries(journal));

/** Decides until the lane is held, and tells the error. */
async function held(world: World, mails: readonly string[], bundlerOf?: (own: Bundler) => Bundler) {
  const error: unknown = await decide(world, mails, bundlerOf).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LaneHeldError);
  const alarms = (await entriesOf(world)).filter(({ kind }) => kind === "alarm");
  return { error: error as LaneHeldError, alarms };
}

/** The operator has looked. */
function release(world: World): void {
  expect(heldAt(stateOf(world))).toEqual([laneIn(world)]);
  expect(releaseAt(stateOf(world), [laneIn(world)])).toEqual([laneIn(world)]);
  expect(heldAt(stateOf(world))).toEqual([]);
}

describe("foreign: somebody else used the nonce", () => {
  test("the lane is held across restarts, the alarm says who and what to do, and the operator lets it go on", async () => {
    const world = await makeWorld(chain, "foreign");
    let foreign: Hex = "0x";
    const stolen = (own: Bundler): Bundler => ({
      ...own,
      async send() {
        foreign = await useNonceElsewhere(world);
        throw aa25;
      },
    });
    const first = await held(world, [bill(1)], stolen);
    expect(first.error.facts).toMatchObject({ "foreign operation": foreign, "next nonce": "1" });
    expect(first.error.remedy).toContain(`bursar freeze --account ${world.account} --chain 31337`);
    expect(first.alarms).toMatchObject([{ body: { foreign: { userOpHash: foreign } } }]);
    expect(await checkJournal({ state: stateOf(world) } as never)).toMatchObject({
      ok: false,
      detail: expect.stringContaining("signs nothing any more"),
      remedy: expect.stringContaining(`bursar journal release ${laneIn(world)}`),
    });

    // Nothing is signed by whoever starts it again; the alarm is told once.
    const second = await held(world, [bill(2)]);
    expect(second.alarms).toHaveLength(1);
    expect(await operationsOf(world)).toEqual([foreign]);

    release(world);
    const { outcomes, reports } = await decide(world, []);
    expect(outcomes).toEqual(["displaced", "paid"]);
    expect(reports[0]).toMatchObject({ receipt: null, reasons: [{ code: "displaced" }] });
    // The stranger may have paid the very bill: a reminder is not paid.
    const reminder = billMail({ to: "acme", amount: "41.50", reference: "INV-1", greeting: "Not paid yet:" });
    expect((await decide(world, [reminder])).reports.at(-1)).toMatchObject({
      outcome: "refused",
      reasons: [{ code: "already-paid" }],
    });
    expect((await entriesOf(world)).map(({ kind }) => kind)).not.toContain("reopened");
    // What the stranger did stays what it is.
    const { decisions, failures } = await within(world, (house) => verifyDecisions(house));
    const verified = [...failures, ...decisions.flatMap((decision) => decision.failures)];
    expect(verified).toContainEqual(
      expect.stringMatching(/executed an operation of the agent that no decision tells of/),
    );
    expect(verified.filter((words) => words.includes("recorded as"))).toEqual([]);
  });

  test("between two decisions, too", async () => {
    const world = await makeWorld(chain, "between");
    await useNonceElsewhere(world);
    const { alarms, error } = await held(world, [bill(1)]);
    await within(world, async (house, sent) => {
      await expect(requireWholeJournal(house)).rejects.toThrow(LaneHeldError);
      expect(sent).toEqual([]);
    });
    expect(error.facts["next nonce"]).toBe("1");
    expect(alarms).toHaveLength(1);
  });
});

describe("a lane that the operator released", () => {
  test("lets a new key go on with the journal of one that was stolen", async () => {
    const world = await makeWorld(chain, "stolen");
    expect((await decide(world, [bill(1)])).outcomes).toEqual(["paid"]);
    await useNonceElsewhere(world, 2);
    await held(world, [bill(2)]);
    const rotated = await grantAnew(world, { agent: newKeyOf(world) });
    await within(rotated, async (house) => {
      await expect(requireWholeJournal(house)).rejects.toThrow(LaneHeldError);
    });
    release(world);
    await within(rotated, (house) => requireWholeJournal(house));
    expect((await decide(rotated, [])).outcomes).toEqual(["paid", "paid"]);
  });

  test("goes on at the old nonce when the stranger's operation is reorganised away for good", async () => {
    const world = await makeWorld(chain, "undone");
    const snapshot = await chain.request({ method: "evm_snapshot" });
    await useNonceElsewhere(world);
    await held(world, [bill(1)]);
    release(world);
    await chain.request({ method: "evm_revert", params: [snapshot] });
    // The node may only lag: not before its final blocks reach where the stranger was seen.
    await expect(decide(world, [])).rejects.toThrow(ChainBehindError);
    await mine();
    await mine();
    expect((await decide(world, [bill(2)])).outcomes).toEqual(["paid", "paid"]);
    await within(world, (house) => requireWholeJournal(house));
    expect(await operationsOf(world)).toHaveLength(2);
  });

  test("is held again, not taken for a lost journal's, when it is used once more before a restart", async () => {
    const world = await makeWorld(chain, "twice");
    // Two decisions in the tree, so that the stranger's trees are no larger than the journal's.
    expect((await decide(world, [bill(1, "612.00"), bill(2, "613.00")])).outcomes).toEqual([
      "refused",
      "refused",
    ]);
    await useNonceElsewhere(world, 1);
    await held(world, [bill(3)]);
    release(world);
    await useNonceElsewhere(world, 2);
    await within(world, async (house) => {
      await expect(requireWholeJournal(house)).rejects.toThrow(LaneHeldError);
    });
    release(world);
    await within(world, (house) => requireWholeJournal(house));
    expect((await decide(world, [])).outcomes).toEqual(["refused", "refused", "paid"]);
  });
});
