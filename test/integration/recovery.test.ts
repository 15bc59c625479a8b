import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, hexToBigInt, keccak256, toHex, type Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { bundlerLadder } from "../../src/chain/bundler/bundlerLadder.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress, fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { gasOf, laneOf, signOperation } from "../../src/chain/signOperation.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { gasUnitOf } from "../../src/policy/meter.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { House } from "../../src/runtime/house.ts";
import { heldAt, releaseAt } from "../../src/runtime/journalFiles.ts";
import { checkJournal } from "../../src/runtime/doctor/house.ts";
import { LaneHeldError } from "../../src/runtime/lane.ts";
import { requireWholeJournal } from "../../src/runtime/requireWholeJournal.ts";
import { sendCommand, watchCommands } from "../../src/runtime/triggers/commands.ts";
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

/** What every block costs as long as it is set; else the chain's own price, which falls while blocks are empty. */
let baseFeeWei: bigint | undefined;
async function mine(): Promise<void> {
  if (baseFeeWei !== undefined)
    await chain.request({ method: "hardhat_setNextBlockBaseFeePerGas", params: [toHex(baseFeeWei)] });
  await chain.request({ method: "evm_mine" });
}
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

describe("expired", () => {
  test("the payment is decided again with an operation of another hash, also where gas prices stand still", async () => {
    const world = await makeWorld(chain, "expired");
    baseFeeWei = (await world.chain.client.getBlock()).baseFeePerGas!;
    const lost: string[] = [];
    const { outcomes, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        const hash = hashOf(world, userOp);
        if (lost.length === 0 || lost.includes(hash)) {
          lost.push(hash);
          return "0x";
        }
        return own.send(userOp);
      },
    }));
    baseFeeWei = undefined;
    expect({ outcomes, verified }).toEqual({ outcomes: ["expired", "paid"], verified: [] });
    expect(new Set(sent.map(({ nonce }) => nonce)).size).toBe(1);
    expect(distinct(world, sent)).toHaveLength(2);
    // Nobody is bothered with what is too late.
    expect(lost.length).toBeLessThan(12);
    expect(await operationsOf(world)).toEqual([hashOf(world, sent.at(-1)!)]);
  });
});

describe("cancelled by the operator", () => {
  /** Gives the command as the CLI does; the runtime takes it in while the decision is under way. */
  const cancel = (state: string) =>
    sendCommand(
      state,
      { command: "cancel" },
      { now: () => 1, chance: () => "cancel", sleep: mine, waitMs: 0 },
    );

  async function decideListening(world: World, bundlerOf: (own: Bundler, state: string) => Bundler) {
    const { house, sent, state } = settle(world, (own) => bundlerOf(own, join(folder, world.name)));
    writeInbox(state, { "1.eml": bill(1) });
    const commands = watchCommands({ agents: [house.agent.name], journal: house.journal, state });
    const listening: House = { ...house, listen: () => commands.scan() };
    try {
      const reports = await decideAll(listening, state, { backOffMs: [] });
      const { decisions, failures } = await verifyDecisions(house);
      const found = [...failures, ...decisions.flatMap((decision) => decision.failures)];
      return {
        sent,
        ended: reports.map(({ outcome, reasons }) => [outcome, ...reasons.map(({ code }) => code)]),
        kinds: readEntries(house.journal).map(({ kind }) => kind),
        verified: found.filter((words) => words !== "The leaf is under no root on the chain."),
      };
    } finally {
      house.journal.close();
    }
  }

  test("before it is signed: nothing is signed", async () => {
    const world = await makeWorld(chain, "cancel-early");
    const { ended, kinds, sent, verified } = await decideListening(world, (own, state) => ({
      ...own,
      async gasPrice() {
        await cancel(state);
        return own.gasPrice();
      },
    }));
    expect({ ended, sends: sent.length, verified }).toEqual({
      ended: [["refused", "cancelled"]],
      sends: 0,
      verified: [],
    });
    expect(kinds.slice(-3)).toEqual(["cancelled", "refused", "recorded"]);
    expect(await operationsOf(world)).toEqual([]);
  });

  test("after it was sent: nothing more is sent, it expires, and is not decided again", async () => {
    const world = await makeWorld(chain, "cancel-late");
    const { ended, kinds, sent, verified } = await decideListening(world, (own, state) => ({
      ...own,
      async send() {
        await cancel(state);
        return "0x";
      },
    }));
    expect({ ended, sends: sent.length, verified }).toEqual({
      ended: [["expired", "cancelled", "expired"]],
      sends: 1,
      verified: [],
    });
    expect(kinds).not.toContain("reopened");
    expect(await operationsOf(world)).toEqual([]);
    expect(await paidTo(world, "acme")).toBe(0n);
  });

  test("after somebody included it: it is paid, and says so", async () => {
    const made = await makeWorld(chain, "cancel-too-late");
    const world: World = { ...made, chain: { ...made.chain, finality: { depth: 3 } } };
    const { ended, sent, verified } = await decideListening(world, (own, state) => ({
      ...own,
      async send(userOp) {
        const hash = await own.send(userOp);
        await cancel(state);
        return hash;
      },
    }));
    expect({ ended, sends: sent.length, verified }).toEqual({
      ended: [["paid", "cancelled"]],
      sends: 1,
      verified: [],
    });
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

describe("sibling: a fee bump", () => {
  afterEach(async () => {
    baseFeeWei = 1_000_000_000n;
    await mine();
    baseFeeWei = undefined;
  });

  /** Makes blocks so dear that the operation at hand is not worth including any more. */
  async function raiseFees(userOp: UserOpJson, times: bigint): Promise<void> {
    baseFeeWei = hexToBigInt(userOp.maxFeePerGas) * times;
    await mine();
  }
  const fees = (userOp: UserOpJson) => hexToBigInt(userOp.maxFeePerGas);
  const payment = ({ callData, nonce, callGasLimit, verificationGasLimit }: UserOpJson) => ({
    callData,
    nonce,
    callGasLimit,
    verificationGasLimit,
  });

  test("the same payment goes out for more gas, in the journal first, and what landed is adopted", async () => {
    const world = await makeWorld(chain, "bump");
    const { kinds, outcomes, reports, sent, verified } = await decide(world, [bill(1)], (own) => ({
      ...own,
      async send(userOp) {
        if (baseFeeWei !== undefined) return own.send(userOp);
        await raiseFees(userOp, 2n);
        return "0x";
      },
    }));
    const [elder, bump, ...more] = sent as [UserOpJson, UserOpJson];
    expect({ outcomes, more, verified }).toEqual({ outcomes: ["paid"], more: [], verified: [] });
    expect(payment(bump)).toEqual(payment(elder));
    expect(fees(bump) * 10n).toBeGreaterThanOrEqual(fees(elder) * 11n);
    expect(hexToBigInt(bump.maxPriorityFeePerGas) * 10n).toBeGreaterThanOrEqual(
      hexToBigInt(elder.maxPriorityFeePerGas) * 11n,
    );
    expect(await operationsOf(world)).toEqual([hashOf(world, bump)]);
    expect(reports[0]!.receipt).toMatchObject({ userOpHash: hashOf(world, bump), outcome: "success" });
    expect(kinds.slice(-4)).toEqual(["sent", "bumped", "settled", "recorded"]);
    // Only what landed is charged to the policy's gas budget.
    const { gas } = decodeCounters(
      (await readAccount(world.chain, world.account, world.policy)).limits[0]!.countersWord,
    );
    const prefund = fees(bump) * gasOf(fromUserOpJson(bump));
    const unit = gasUnitOf(world.policy.limits[0]!.units);
    expect(BigInt(gas)).toBe((prefund + unit - 1n) / unit);
    expect(await paidTo(world, "acme")).toBe(unitsOf(1));
  });

  test("the elder may land all the same: it is the one that counts, and it is paid once", async () => {
    const world = await makeWorld(chain, "elder");
    const { outcomes, reports, sent, verified } = await decide(world, [bill(1)], (own) => {
      let elder: UserOpJson | undefined;
      return {
        ...own,
        async send(userOp) {
          if (elder) {
            await own.send(elder);
            throw aa25;
          }
          elder = userOp;
          await raiseFees(userOp, 2n);
          return "0x";
        },
      };
    });
    expect({ outcomes, verified }).toEqual({ outcomes: ["paid"], verified: [] });
    expect(distinct(world, sent)).toHaveLength(2);
    expect(await operationsOf(world)).toEqual([hashOf(world, sent[0]!)]);
    expect(reports[0]!.receipt!.userOpHash).toBe(hashOf(world, sent[0]!));
  });

  test("a bundler that calls it underpriced gets a tenth more, and never more than twice our own node's price", async () => {
    const world = await makeWorld(chain, "greedy-hints");
    const cheap = new BundlerError(
      "test",
      "did not take the operation",
      new Error("replacement underpriced"),
    );
    const asked = await world.chain.client.getBlock();
    baseFeeWei = asked.baseFeePerGas!;
    const { outcomes, sent } = await decide(world, [bill(1)], (own) => {
      let left = 7;
      return { ...own, send: (userOp) => (left-- > 0 ? Promise.reject(cheap) : own.send(userOp)) };
    });
    expect(outcomes).toEqual(["paid"]);
    expect(distinct(world, sent).length).toBeGreaterThan(2);
    const tip = await world.chain.client.estimateMaxPriorityFeePerGas();
    for (const userOp of sent) expect(fees(userOp)).toBeLessThanOrEqual(2n * (2n * baseFeeWei + tip));
  });

  test("the policy's cap per operation holds: above it the same bytes wait for a lower price", async () => {
    const made = await makeWorld(chain, "capped");
    const feeCap = made.policy.limits[0]!.grant.feeCap;
    const { outcomes, sent } = await decide(made, [bill(1)], (own) => {
      let drops = 3;
      return {
        ...own,
        async send(userOp) {
          if (drops-- === 0) baseFeeWei = undefined;
          if (drops < 0) return own.send(userOp);
          // No fee that the cap allows would do.
          baseFeeWei ??= feeCap / gasOf(fromUserOpJson(userOp)) + 1n;
          await mine();
          return "0x";
        },
      };
    });
    expect(outcomes).toEqual(["paid"]);
    expect(distinct(made, sent)).toHaveLength(1);
    expect(sent.length).toBeGreaterThanOrEqual(4);
  });

  test("what was journaled before a crash is what goes out after it", async () => {
    const world = await makeWorld(chain, "bump-crash");
    const stopping = new AbortController();
    const { house, sent, state } = settle(world, (own) => ({
      ...own,
      async send(userOp) {
        if (baseFeeWei !== undefined) stopping.abort(new Error("gone"));
        else await raiseFees(userOp, 2n);
        return "0x";
      },
    }));
    writeInbox(state, { "1.eml": bill(1) });
    await decideAll(house, state, { backOffMs: [], signal: stopping.signal });
    house.journal.close();
    const after = await decide(world, []);
    expect(after.outcomes).toEqual(["paid"]);
    expect(after.verified).toEqual([]);
    expect(distinct(world, [...sent, ...after.sent])).toHaveLength(2);
    expect(await operationsOf(world)).toEqual([hashOf(world, sent[1]!)]);
  });
});

describe("a second bundler", () => {
  const counting = (own: Bundler, name: string, send: Bundler["send"]) => {
    const taken: string[] = [];
    const bundler: Bundler = {
      ...own,
      name,
      send(userOp, attempt) {
        taken.push(hashOf(worldOf.get(own)!, userOp));
        return send(userOp, attempt);
      },
    };
    return { bundler, taken };
  };
  const worldOf = new Map<Bundler, World>();

  test.each([
    ["refuses", () => Promise.reject(new ChainRefusalError({ code: "AA24", error: "AA24", words: "no" })), 1],
    ["does not answer", () => Promise.reject(deaf), 1],
    ["takes it and drops it, eight times", () => Promise.resolve("0x" as Hex), 8],
  ])("gets the same bytes when the first %s", async (what, send, times) => {
    const world = await makeWorld(chain, `ladder-${what.length}`);
    const seen: (readonly string[])[] = [];
    const { outcomes, sent, verified } = await decide(world, [bill(1)], (own) => {
      worldOf.set(own, world);
      const [first, second] = [counting(own, "first", send), counting(own, "second", own.send)];
      seen.push(first.taken, second.taken);
      return bundlerLadder([first.bundler, second.bundler]);
    });
    expect({ outcomes, verified }).toEqual({ outcomes: ["paid"], verified: [] });
    const [first, second] = seen as [string[], string[]];
    expect([first.length, second.length]).toEqual([times, 1]);
    expect(new Set([...first, ...second]).size).toBe(1);
    expect(distinct(world, sent)).toHaveLength(1);
    expect(await operationsOf(world)).toHaveLength(1);
  });

  test("signs by the second's estimate when the first lies that the chain refuses", async () => {
    const world = await makeWorld(chain, "ladder-lies");
    const { outcomes } = await decide(world, [bill(1)], (own) =>
      bundlerLadder([{ ...own, name: "liar", estimateGas: () => Promise.reject(aa25) }, own]),
    );
    expect(outcomes).toEqual(["paid"]);
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
    // The stranger may have paid the very bill: a reminder is not paid.
    const reminder = billMail({ to: "acme", amount: "41.50", reference: "INV-1", greeting: "Not paid yet:" });
    expect((await decide(world, [reminder])).reports.at(-1)).toMatchObject({
      outcome: "refused",
      reasons: [{ code: "already-paid" }],
    });
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
    const { alarms, error, sent, state } = await held(world, [bill(1)]);
    const again = openHouse(world, { state });
    await expect(requireWholeJournal(again)).rejects.toThrow(LaneHeldError);
    again.journal.close();
    expect(error.facts["next nonce"]).toBe("1");
    expect(alarms).toHaveLength(1);
    expect(sent).toEqual([]);
  });
});
