import { join } from "node:path";
import { encodeFunctionData } from "viem";
import { describe, expect, test } from "vitest";
import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { laneOf } from "../../src/chain/signOperation.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { now } from "../../src/runtime/clock.ts";
import type { House } from "../../src/runtime/house.ts";
import { sendCommand, watchCommands } from "../../src/runtime/triggers/commands.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { decideAll } from "./house.ts";
import { writeInbox } from "./mails.ts";
import { nextNonce } from "./stranger.ts";
import { makeWorld, operationsOf, paidTo, tokenAddress, type World } from "./world.ts";
import {
  folder,
  chain,
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
    setBaseFee((await world.chain.client.getBlock()).baseFeePerGas!);
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
    setBaseFee(undefined);
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
    const commands = watchCommands({
      agents: [house.agent.name],
      journal: house.journal,
      state,
      now,
      answer: () => Promise.resolve("Nobody is asked here."),
    });
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
