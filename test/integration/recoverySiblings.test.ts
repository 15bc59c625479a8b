import { hexToBigInt, type Hex } from "viem";
import { afterEach, describe, expect, test } from "vitest";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { bundlerLadder } from "../../src/chain/bundler/bundlerLadder.ts";
import { fromUserOpJson } from "../../src/chain/entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { gasOf } from "../../src/chain/signOperation.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { gasUnitOf } from "../../src/policy/meter.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import { heldAt } from "../../src/runtime/journalFiles.ts";
import { decideAll } from "./house.ts";
import { writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo, type World } from "./world.ts";
import {
  chain,
  baseFeeWei,
  setBaseFee,
  mine,
  bill,
  unitsOf,
  settle,
  decide,
  hashOf,
  distinct,
  aa25,
  deaf,
} from "./recoveryScene.ts";

describe("sibling: a fee bump", () => {
  afterEach(async () => {
    setBaseFee(1_000_000_000n);
    await mine();
    setBaseFee(undefined);
  });

  /** Makes blocks so dear that the operation at hand is not worth including any more. */
  async function raiseFees(userOp: UserOpJson, times: bigint): Promise<void> {
    setBaseFee(hexToBigInt(userOp.maxFeePerGas) * times);
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
    setBaseFee(asked.baseFeePerGas!);
    const { outcomes, sent } = await decide(world, [bill(1)], (own) => {
      let left = 7;
      return { ...own, send: (userOp) => (left-- > 0 ? Promise.reject(cheap) : own.send(userOp)) };
    });
    expect(outcomes).toEqual(["paid"]);
    expect(distinct(world, sent).length).toBeGreaterThan(2);
    const tip = await world.chain.client.estimateMaxPriorityFeePerGas();
    for (const userOp of sent) expect(fees(userOp)).toBeLessThanOrEqual(2n * (2n * baseFeeWei! + tip));
  });

  test("the policy's cap per operation holds: above it the same bytes wait for a lower price", async () => {
    const made = await makeWorld(chain, "capped");
    const feeCap = made.policy.limits[0]!.grant.feeCap;
    const { outcomes, sent } = await decide(made, [bill(1)], (own) => {
      let drops = 3;
      return {
        ...own,
        async send(userOp) {
          if (drops-- === 0) {
            // Cheap at once: on the way down a purse would not pay what the operation does not pay back.
            setBaseFee(1_000_000_000n);
            await mine();
          }
          if (drops < 0) return own.send(userOp);
          // No fee that the cap allows would do.
          if (baseFeeWei === undefined) setBaseFee(feeCap / gasOf(fromUserOpJson(userOp)) + 1n);
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
