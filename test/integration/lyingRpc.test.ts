import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { concat, sliceHex, toFunctionSelector, toHex, type Hex } from "viem";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";

import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { connectChain, type Eip1193 } from "../../src/chain/connectChain.ts";
import { allDecisions } from "../../src/journal/decisions.ts";
import type { House } from "../../src/runtime/house.ts";
import { localChainId, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { lyingRpc, type Lie, type LyingRpc } from "../doubles/lyingRpc.ts";
import { now } from "../../src/runtime/clock.ts";
import { startKillableChain } from "./children.ts";
import { decideAll, openHouse, type DecideOptions } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, operationsOf, paidTo, type World } from "./world.ts";

// The agent's own RPC turns against it, or is turned. The chain itself is real, and so is what was paid on it.

const folder = mkdtempSync(join(tmpdir(), "bursar-rpc-"));
let local: LocalChain;
beforeAll(async () => {
  local = await startLocalChain();
});
afterAll(async () => {
  await local.close();
  rmSync(folder, { recursive: true, force: true });
});
const houses: House[] = [];
afterEach(() => {
  for (const house of houses.splice(0)) house.journal.close();
  vi.useRealTimers();
});

type Stage = {
  readonly world: World;
  readonly rpc: LyingRpc;
  readonly house: House;
  /** Decides what waits; without patience for an RPC that fails. */
  decide(options?: DecideOptions): ReturnType<typeof decideAll>;
};

/** A world with one bill of 42.50 in the inbox, and an agent whose reads can be lied to. Its bundler is not. */
async function setStage(name: string, witnesses: readonly Eip1193[] = []): Promise<Stage> {
  const world = await makeWorld(local, name);
  const rpc = lyingRpc(local);
  const chain = await connectChain({ rpc, chainId: localChainId, finality: { depth: 0 }, witnesses });
  const state = join(folder, name);
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const bundler: Bundler = ownBundler(world.chain, { executor: world.purse });
  const house = openHouse({ ...world, chain }, { state, bundler });
  houses.push(house);
  return { world, rpc, house, decide: (options) => decideAll(house, state, { backOffMs: [], ...options }) };
}

/** From the moment the operation is with the bundler. */
const lieAfterSending = (rpc: LyingRpc, lie: Lie): DecideOptions => ({
  onPassage({ at, step }) {
    if (step === "send" && at === "committed") rpc.lie = lie;
  },
});

async function expectPaidOnce({ decide, rpc, world }: Stage): Promise<void> {
  rpc.lie = undefined;
  expect((await decide()).map(({ outcome }) => outcome)).toEqual(["paid"]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  expect(await operationsOf(world)).toHaveLength(1);
}

const day = 86_400;

/** Blocks with a later time than they have. */
async function aDayLater(method: string, ask: () => Promise<unknown>): Promise<unknown> {
  const answer = await ask();
  if (method !== "eth_getBlockByNumber" || answer === null) return answer;
  const block = answer as { readonly timestamp: string };
  return { ...block, timestamp: toHex(BigInt(block.timestamp) + BigInt(day)) };
}

/** The same chain, seen a day later, on which the agent never did anything. */
function neverHappened(): Lie {
  const getNonce = toFunctionSelector("function getNonce(address,uint192)");
  return ({ honest, method, params }) => {
    const [call] = params as readonly [{ readonly data?: string } | undefined];
    if (method === "eth_getLogs") return [];
    if (method === "eth_call" && call?.data?.startsWith(getNonce)) return toHex(0n, { size: 32 });
    return aDayLater(method, honest);
  };
}

test("another chain's id between two steps: the agent stops, and goes on when it is back", async () => {
  const stage = await setStage("other-id");
  const lie: Lie = ({ honest, method }) => (method === "eth_chainId" ? "0x1" : honest());
  stage.rpc.lie = lie;
  await expect(stage.decide()).rejects.toMatchObject({ name: "WrongChainError", retry: "never" });
  expect(allDecisions(stage.house.journal, "treasurer").map(({ done }) => done)).toEqual([false]);
  await expectPaidOnce(stage);
});

test("another chain with the same id, where the operation's time is over: nothing is given up", async () => {
  const stage = await setStage("other-chain");
  const other = await startLocalChain();
  try {
    await makeWorld(other, "other-chain");
    const lie: Lie = ({ method, params }) => aDayLater(method, () => other.request({ method, params }));
    await expect(stage.decide(lieAfterSending(stage.rpc, lie))).rejects.toMatchObject({
      name: "ChainReplacedError",
      retry: "never",
    });
    // Nor by the next process that is shown that chain.
    await expect(stage.decide()).rejects.toMatchObject({ name: "ChainReplacedError" });
  } finally {
    await other.close();
  }
  await expectPaidOnce(stage);
});

test("a node that hides a payment is not believed while a witness has seen it", async () => {
  const stage = await setStage("hidden", [local]);
  await expect(stage.decide(lieAfterSending(stage.rpc, neverHappened()))).rejects.toMatchObject({
    name: "WitnessError",
    retry: "safe",
  });
  await expectPaidOnce(stage);
});

/** What was executed, as if it had failed: flag of the EntryPoint's event, the payment's own log with it. */
const saysReverted: Lie = async ({ honest, method }) => {
  const answer = await honest();
  if (method !== "eth_getLogs") return answer;
  // nonce, success, cost, gas: a word each.
  return (answer as readonly { readonly data: Hex }[]).map((log) => ({
    ...log,
    data: concat([sliceHex(log.data, 0, 32), toHex(0n, { size: 32 }), sliceHex(log.data, 64)]),
  }));
};

test("a node that calls a payment reverted is not believed while a witness has seen it succeed", async () => {
  const stage = await setStage("called-reverted", [local]);
  await expect(stage.decide(lieAfterSending(stage.rpc, saysReverted))).rejects.toMatchObject({
    name: "WitnessError",
    retry: "safe",
  });
  await expectPaidOnce(stage);
});

test("a receipt that a node does not have yet, of a log that it told, is asked for again", async () => {
  const stage = await setStage("no-receipt");
  const lie: Lie = ({ honest, method }) => (method === "eth_getTransactionReceipt" ? null : honest());
  await expect(stage.decide(lieAfterSending(stage.rpc, lie))).rejects.toMatchObject({ retry: "safe" });
  await expectPaidOnce(stage);
});

test("a node that makes a payment up is not believed while a witness has not seen it", async () => {
  const witness = lyingRpc(local);
  const stage = await setStage("made-up", [witness]);
  witness.lie = neverHappened();
  await expect(stage.decide()).rejects.toMatchObject({ name: "WitnessError", retry: "safe" });
  witness.lie = undefined;
  await expectPaidOnce(stage);
});

test("a witness that is away holds the end up, not the start", async () => {
  const witness = lyingRpc(local);
  const stage = await setStage("away", [witness]);
  witness.lie = () => Promise.reject(Object.assign(new Error("down"), { name: "HttpRequestError" }));
  await expect(stage.decide()).rejects.toMatchObject({ name: "RpcUnreachableError", retry: "safe" });
  witness.lie = undefined;
  await expectPaidOnce(stage);
});

const nonsense: readonly (readonly [string, Lie])[] = [
  ["nothing", () => null],
  ["a page instead of an answer", () => "<html>Bad gateway</html>"],
  ["empty words", () => "0x"],
  ["an object of other things", () => ({ jsonrpc: "2.0" })],
];
test.each(nonsense)(
  "an RPC that answers %s is an error with a remedy, and harms nothing",
  async (name, lie) => {
    const stage = await setStage(name.replaceAll(" ", "-"));
    stage.rpc.lie = lie;
    await expect(stage.decide()).rejects.toMatchObject({ remedy: expect.stringMatching(/./) });
    stage.rpc.lie = undefined;
    await expect(stage.decide(lieAfterSending(stage.rpc, lie))).rejects.toMatchObject({
      remedy: expect.stringMatching(/./),
    });
    await expectPaidOnce(stage);
  },
);

const wide = `0x${"f".repeat(80)}`;
test.each<readonly [string, string, unknown]>([
  ["a block that is none", "eth_getBlockByNumber", "0x"],
  ["a block that is a number", "eth_getBlockByNumber", wide],
  ["more bytes than were asked for", "eth_call", wide],
])("an RPC that answers %s is asked again", async (name, method, answer) => {
  const stage = await setStage(name.replaceAll(" ", "-"));
  stage.rpc.lie = ({ honest, method: asked }) => (asked === method ? answer : honest());
  await expect(stage.decide()).rejects.toMatchObject({ retry: "safe" });
  stage.rpc.lie = undefined;
  await expectPaidOnce(stage);
});

test("an RPC that has no trace for our own bundler is asked again", async () => {
  const stage = await setStage("no-trace");
  const { house, rpc, world } = stage;
  const bundler = ownBundler(house.chain, { executor: world.purse });
  rpc.lie = ({ honest, method }) => (method === "debug_traceCall" ? null : honest());
  await expect(
    decideAll({ ...house, bundler }, join(folder, "no-trace"), { backOffMs: [] }),
  ).rejects.toMatchObject({ name: "BundlerError", retry: "safe", message: expect.stringContaining("trace") });
  await expectPaidOnce(stage);
});

test("an RPC that takes requests and says nothing does not answer", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const rpc = `http://127.0.0.1:${port}`;
  const options = { rpc, chainId: localChainId, finality: { depth: 0 }, timeoutMs: 200 } as const;
  await expect(connectChain(options)).rejects.toMatchObject({ name: "RpcUnreachableError", retry: "safe" });
  silent.close();
});

test("a clock that jumps by years changes nothing: times come from blocks", async () => {
  // In a process of its own, with a clock of its own.
  const chain = await startKillableChain({});
  const world = await makeWorld(chain.url, "clock");
  const state = join(folder, "clock");
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const house = openHouse(world, { state });
  houses.push(house);
  const begun = now();
  const decade = 10 * 365 * day * 1000;
  vi.useFakeTimers({ toFake: ["Date"], now: begun });
  const jumps = new Map([
    ["sign committed", begun + decade],
    ["send committed", begun - decade],
  ]);
  const reports = await decideAll(house, state, {
    onPassage({ at, step }) {
      const to = jumps.get(`${step} ${at}`);
      if (to !== undefined) vi.setSystemTime(to);
    },
  });
  vi.useRealTimers();
  expect(reports.map(({ outcome }) => outcome)).toEqual(["paid"]);
  expect(await paidTo(world, "acme")).toBe(42_500_000n);
  await chain.kill();
});
