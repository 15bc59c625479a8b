import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, hexToBigInt, keccak256, toHex, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress, fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import { laneOf, signOperation } from "../../src/chain/signOperation.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { House } from "../../src/runtime/house.ts";
import { heldAt, releaseAt } from "../../src/runtime/journalFiles.ts";
import { checkJournal } from "../../src/runtime/doctor/house.ts";
import { LaneHeldError } from "../../src/runtime/lane.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-recovery-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const mine = () => chain.request({ method: "evm_mine" });
const bill = (number: number) =>
  billMail({ to: "acme", amount: `4${number}.50`, reference: `INV-${number}` });
const unitsOf = (number: number) => BigInt(40 + number) * 1_000_000n + 500_000n;

/** Opens a world's house over a bundler that is made of its real one. Time goes by block by block, not by the clock. */
function settle(world: World, bundlerOf: (own: Bundler) => Bundler = (own) => own) {
  const state = join(folder, world.name);
  const sent: UserOpJson[] = [];
  const bundler = bundlerOf(ownBundler(world.chain, { executor: world.purse }));
  const house: House = {
    ...openHouse(world, {
      state,
      bundler: {
        ...bundler,
        send(userOp) {
          sent.push(userOp);
          return bundler.send(userOp);
        },
      },
    }),
    async sleep() {
      await mine();
    },
  };
  return { house, sent, state };
}

/** Delivers bills and decides them all; closes the journal, as a runtime that ends. */
async function decide(world: World, mails: readonly string[], bundlerOf?: (own: Bundler) => Bundler) {
  const { house, sent, state } = settle(world, bundlerOf);
  writeInbox(
    state,
    Object.fromEntries(
      mails.map((mail, index) => [`${sent.length + index}-${mail.length}-${index}.eml`, mail]),
    ),
  );
  try {
    const reports = await decideAll(house, state, { backOffMs: [] });
    const { decisions, failures } = await verifyDecisions(house);
    return {
      sent,
      reports,
      outcomes: reports.map(({ outcome }) => outcome),
      verified: [...failures, ...decisions.flatMap((decision) => decision.failures)],
      kinds: readEntries(house.journal).map(({ kind }) => kind),
    };
  } finally {
    house.journal.close();
  }
}

const hashOf = (world: World, userOp: UserOpJson): Hex =>
  userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
const distinct = (world: World, sent: readonly UserOpJson[]) => [
  ...new Set(sent.map((userOp) => hashOf(world, userOp) + userOp.signature)),
];

/** The agent's key in other hands: an empty operation at the lane's next nonce. */
async function useNonceElsewhere(world: World): Promise<Hex> {
  const { account, agent, policy } = world;
  const { timestamp } = await world.chain.client.getBlock();
  const bundler = ownBundler(world.chain, { executor: world.purse });
  const operation = await signOperation({
    chainId: world.chain.chainId,
    account,
    signer: agent,
    limit: policy.limits[0]!,
    calls: [],
    proofs: [],
    nonce: await nextNonce(world),
    commitment: {
      validAfter: Number(timestamp) - 30,
      validUntil: Number(timestamp) + 270,
      treeSize: 1,
      treeRoot: keccak256(toHex("elsewhere")),
    },
    bundler,
  });
  await bundler.send(operation.userOp);
  return operation.userOpHash;
}

const nextNonce = ({ account, agent, chain: { client } }: World) =>
  client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "getNonce",
    args: [account, laneOf(agent.address)],
  });

const aa25 = new ChainRefusalError({ code: "AA25", error: "AA25", words: "invalid account nonce" });
const deaf = new BundlerError("test", "does not answer", new Error("test"));

describe("open: not on the chain", () => {
  test("the very same bytes go out again until they are taken", async () => {
    const world = await makeWorld(chain, "open");
    let drops = 3;
    const { outcomes, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        if (drops-- > 0) return "0x";
        return own.send(userOp);
      },
    }));
    expect(outcomes).toEqual(["paid"]);
    expect(sent.length).toBeGreaterThanOrEqual(4);
    expect(distinct(world, sent)).toHaveLength(1);
    expect(await operationsOf(world)).toHaveLength(1);
    expect(verified).toEqual([]);
  });

  test("AA25 and silence are answers that nothing follows from", async () => {
    const world = await makeWorld(chain, "aa25-open");
    const lies = [aa25, deaf, aa25];
    const { outcomes, sent } = await decide(world, [bill(1)], (own) => ({
      ...own,
      send: (userOp) => (lies.length > 0 ? Promise.reject(lies.shift()!) : own.send(userOp)),
    }));
    expect(outcomes).toEqual(["paid"]);
    expect(distinct(world, sent)).toHaveLength(1);
    expect(await paidTo(world, "acme")).toBe(unitsOf(1));
  });
});

describe("mined", () => {
  test("AA25 after it was included: it is paid, once, and nothing is sent again", async () => {
    const world = await makeWorld(chain, "aa25-mined");
    const { outcomes, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        await own.send(userOp);
        throw aa25;
      },
    }));
    expect({ outcomes, sends: sent.length, verified }).toEqual({
      outcomes: ["paid"],
      sends: 1,
      verified: [],
    });
    expect(await paidTo(world, "acme")).toBe(unitsOf(1));
  });

  test("not final: it is waited for, and nothing is sent again", async () => {
    const made = await makeWorld(chain, "waiting");
    const world: World = { ...made, chain: { ...made.chain, finality: { depth: 40 } } };
    const { outcomes, reports, sent } = await decide(world, [bill(1)]);
    expect({ outcomes, sends: sent.length }).toEqual({ outcomes: ["paid"], sends: 1 });
    const { number } = await world.chain.client.getBlock();
    expect(number - BigInt(reports[0]!.receipt!.blockNumber)).toBeGreaterThanOrEqual(40n);
  });
});

describe("reverted", () => {
  test("the nonce is spent, nothing was paid, it is told, and not tried again by itself", async () => {
    const world = await makeWorld(chain, "reverted");
    // The owner takes the money away between the judge's look and the bundle.
    const withdraw = encodeFunctionData({
      abi: agentAccountAbi,
      functionName: "withdraw",
      args: [tokenAddress, world.owner.address, 10_000_000_000n],
    });
    const { kinds, outcomes, reports, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        await sendTransaction(world.chain, world.owner, { to: world.account, data: withdraw });
        return own.send(userOp);
      },
    }));
    expect({ outcomes, sends: sent.length, verified }).toEqual({
      outcomes: ["reverted"],
      sends: 1,
      verified: [],
    });
    expect(reports[0]!.receipt).toMatchObject({
      outcome: "reverted",
      transaction: expect.stringMatching(/^0x/),
    });
    expect(reports[0]!.reasons).toMatchObject([{ code: "reverted", enforcedBy: "chain" }]);
    expect(kinds).not.toContain("reopened");
    expect(await nextNonce(world)).toBe((laneOf(world.agent.address) << 64n) + 1n);
    expect(await paidTo(world, "acme")).toBe(0n);
  });
});

describe("gone: the block that held it left the chain", () => {
  test("the same bytes go out again, and it is paid once", async () => {
    const made = await makeWorld(chain, "gone");
    const world: World = { ...made, chain: { ...made.chain, finality: { depth: 5 } } };
    let reorganised = false;
    const { outcomes, reports, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        // The block of the operation and two more are taken back when the second of those is there.
        if (!reorganised) await chain.request({ method: "bursar_reorganise", params: [3] });
        reorganised = true;
        return own.send(userOp);
      },
    }));
    expect({ outcomes, verified }).toEqual({ outcomes: ["paid"], verified: [] });
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(distinct(world, sent)).toHaveLength(1);
    expect(await operationsOf(world)).toEqual([hashOf(world, sent[0]!)]);
    expect(reports[0]!.receipt!.userOpHash).toBe(hashOf(world, sent[0]!));
  });
});

describe("behind: an operation before it left the chain after it was final", () => {
  test("its bytes go first, then ours: each is on the chain once", async () => {
    const world = await makeWorld(chain, "behind");
    const snapshot = await chain.request({ method: "evm_snapshot" });
    let undone = false;
    const { outcomes, sent } = await decide(world, [bill(1), bill(2)], (own) => ({
      ...own,
      async send(userOp) {
        if (sequence(userOp) === 1n && !undone) {
          undone = true;
          await chain.request({ method: "evm_revert", params: [snapshot] });
          return "0x";
        }
        return own.send(userOp);
      },
    }));
    expect(outcomes).toEqual(["paid", "paid"]);
    expect(sent.map(sequence)).toEqual([0n, 1n, 0n, 1n]);
    expect(distinct(world, sent)).toHaveLength(2);
    expect(await operationsOf(world)).toHaveLength(2);
    expect(await paidTo(world, "acme")).toBe(unitsOf(1) + unitsOf(2));
  });

  const sequence = ({ nonce }: UserOpJson) => hexToBigInt(nonce) & 0xffffn;
});

describe("unseen: the nonce is used and the log is not there yet", () => {
  /** A node whose log index is `looks` looks behind. */
  const lagging = (world: World, looks: number): World => {
    const real = world.chain.client.getLogs;
    let left = looks;
    const getLogs = ((filter: never) => (left-- > 0 ? Promise.resolve([]) : real(filter))) as never;
    return { ...world, chain: { ...world.chain, client: { ...world.chain.client, getLogs } } };
  };

  test("it is looked for again, and nothing is sent again", async () => {
    const world = lagging(await makeWorld(chain, "lagging"), 40);
    const { outcomes, sent } = await decide(world, [bill(1)]);
    expect({ outcomes, sends: sent.length }).toEqual({ outcomes: ["paid"], sends: 1 });
  });

  test("for a minute, at a final block: the lane is held, for nobody can tell what used it", async () => {
    const world = lagging(await makeWorld(chain, "silent"), Infinity);
    const { house, sent, state } = settle(world);
    writeInbox(state, { "1.eml": bill(1) });
    await expect(decideAll(house, state, { backOffMs: [] })).rejects.toMatchObject({
      name: "LaneHeldError",
      retry: "ask",
    });
    house.journal.close();
    expect(sent).toHaveLength(1);
    expect(heldAt(state)).toHaveLength(1);
  });
});

describe("foreign: somebody else used the nonce", () => {
  const laneIn = (world: World) => `lane:${world.account.toLowerCase()}/${world.agent.address.toLowerCase()}`;

  /** Decides until the lane is held, and tells the error. */
  async function held(world: World, mails: readonly string[], bundlerOf?: (own: Bundler) => Bundler) {
    const { house, sent, state } = settle(world, bundlerOf);
    writeInbox(state, Object.fromEntries(mails.map((mail, index) => [`${mails.length}-${index}.eml`, mail])));
    try {
      const error: unknown = await decideAll(house, state, { backOffMs: [] }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(LaneHeldError);
      const alarms = readEntries(house.journal).filter(({ kind }) => kind === "alarm");
      return { error: error as LaneHeldError, alarms, sent, state };
    } finally {
      house.journal.close();
    }
  }

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
    expect(await checkJournal({ state: first.state } as never)).toMatchObject({
      ok: false,
      detail: expect.stringContaining("signs nothing any more"),
      remedy: expect.stringContaining(`bursar journal release ${laneIn(world)}`),
    });

    // Nothing is signed by whoever starts it again; the alarm is told once.
    const second = await held(world, [bill(1), bill(2)]);
    expect(second.sent).toEqual([]);
    expect(second.alarms).toHaveLength(1);
    expect(await operationsOf(world)).toEqual([foreign]);

    expect(heldAt(first.state)).toEqual([laneIn(world)]);
    expect(releaseAt(first.state, [laneIn(world)])).toEqual([laneIn(world)]);
    expect(heldAt(first.state)).toEqual([]);
    const { kinds, outcomes, reports, verified } = await decide(world, []);
    expect(outcomes).toEqual(["displaced", "paid"]);
    expect(reports[0]).toMatchObject({ receipt: null, reasons: [{ code: "displaced" }] });
    expect(kinds).not.toContain("reopened");
    // What the stranger did stays what it is.
    expect(verified).toContainEqual(
      expect.stringMatching(/executed an operation of the agent that no decision tells of/),
    );
    expect(verified.filter((words) => words.includes("recorded as"))).toEqual([]);
  });

  test("between two decisions, too", async () => {
    const world = await makeWorld(chain, "between");
    await useNonceElsewhere(world);
    const { alarms, error, sent } = await held(world, [bill(1)]);
    expect(error.facts["next nonce"]).toBe("1");
    expect(alarms).toHaveLength(1);
    expect(sent).toEqual([]);
  });
});
