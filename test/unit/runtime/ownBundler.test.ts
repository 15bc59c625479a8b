import {
  createPublicClient,
  custom,
  encodeErrorResult,
  keccak256,
  numberToHex,
  parseTransaction,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";

import { entryPointAbi } from "../../../src/chain/abi/entryPoint.ts";
import { ownBundler } from "../../../src/chain/bundler/ownBundler.ts";
import { BundlerError, ChainRefusalError } from "../../../src/chain/errors.ts";
import type { UserOpJson } from "../../../src/core/operation.ts";

const executor = privateKeyToAccount(keccak256(toHex("executor")));
const sender: Address = "0x359e534d4c79745c3c0a0bc80d80cfae9e82699e";
const gwei = 1_000_000_000n;

const operation = (nonce: number): UserOpJson => ({
  sender,
  nonce: numberToHex(nonce),
  callData: "0xdeadbeef",
  callGasLimit: "0x1",
  verificationGasLimit: "0x2",
  preVerificationGas: "0x3",
  maxFeePerGas: "0x5",
  maxPriorityFeePerGas: "0x0",
  signature: "0x01",
});

type Pooled = { readonly raw: Hex; readonly nonce: number; readonly fee: bigint; readonly tip: bigint };

/** A node whose pool holds transactions until somebody mines them, with geth's own rules and words. */
function fakeNode(mostWei?: bigint) {
  const node = {
    baseFee: 10n * gwei,
    tip: gwei,
    mined: 0,
    pool: [] as Pooled[],
    sent: [] as Pooled[],
    /** Refusal of the next dry run, by the nonce in the operation. */
    refusals: new Map<number, string>(),
    dropAll: () => node.pool.splice(0),
    mine() {
      node.pool = node.pool.filter(({ nonce }) => nonce !== node.mined);
      node.mined++;
    },
  };
  const take = (raw: Hex) => {
    const { maxFeePerGas = 0n, maxPriorityFeePerGas = 0n, nonce = 0 } = parseTransaction(raw);
    const next: Pooled = { raw, nonce, fee: maxFeePerGas, tip: maxPriorityFeePerGas };
    node.sent.push(next);
    if (nonce < node.mined) throw new Error("nonce too low");
    const old = node.pool.find((pooled) => pooled.nonce === nonce);
    if (old?.raw === raw) throw new Error("already known");
    if (old && (next.fee * 10n < old.fee * 11n || next.tip * 10n < old.tip * 11n))
      throw new Error("replacement transaction underpriced");
    node.pool = [...node.pool.filter((pooled) => pooled !== old), next];
    return keccak256(raw);
  };
  const dryRun = ({ data }: { data: Hex }) => {
    for (const [nonce, reason] of node.refusals)
      if (data.includes(`${sender.slice(2)}${nonce.toString(16).padStart(64, "0")}`))
        throw Object.assign(new Error("execution reverted"), {
          code: 3,
          data: encodeErrorResult({ abi: entryPointAbi, errorName: "FailedOp", args: [0n, reason] }),
        });
    return "0x";
  };
  const answers: Record<string, (params: readonly unknown[]) => unknown> = {
    debug_traceCall: () => ({ calls: [{ type: "CALL", to: sender, input: "0x19822f7c" }] }),
    eth_call: ([call]) => dryRun(call as { data: Hex }),
    eth_getBlockByNumber: () => ({
      number: "0x1",
      timestamp: "0x1",
      baseFeePerGas: numberToHex(node.baseFee),
    }),
    eth_maxPriorityFeePerGas: () => numberToHex(node.tip),
    eth_getTransactionCount: ([, at]) =>
      numberToHex(at === "latest" ? node.mined : node.mined + node.pool.length),
    eth_sendRawTransaction: ([raw]) => take(raw as Hex),
  };
  const client = createPublicClient({
    cacheTime: 0,
    transport: custom(
      {
        async request({ method, params = [] }: { method: string; params?: readonly unknown[] }) {
          return answers[method]!(params);
        },
      },
      { retryCount: 0 },
    ),
  });
  const chain = { client, chainId: 31337, url: "fake", finality: { depth: 0 }, witnesses: [] };
  const bundler = ownBundler(chain, { executor, ...(mostWei === undefined ? {} : { mostWei }) });
  return { node, send: (nonce: number) => bundler.send(operation(nonce)) };
}

const noncesOf = (transactions: readonly Pooled[]) => transactions.map(({ nonce }) => nonce);

describe("an operation that is handed over again", () => {
  it("does not become a second transaction while the first one waits", async () => {
    const { node, send } = fakeNode();
    const hashes = [await send(7), await send(7), await send(7)];
    expect(new Set(hashes).size).toBe(1);
    expect(node.pool).toHaveLength(1);
    expect(new Set(node.sent.map(({ raw }) => raw)).size).toBe(1);
  });

  it("does not become one when the node forgot it: it gets the same bytes", async () => {
    const { node, send } = fakeNode();
    await send(7);
    const [first] = node.dropAll();
    await send(7);
    expect(node.pool).toEqual([first]);
  });

  it("is not sent when it is on the chain already", async () => {
    const { node, send } = fakeNode();
    await send(7);
    node.mine();
    node.refusals.set(7, "AA25 invalid account nonce");
    await expect(send(7)).rejects.toThrow(ChainRefusalError);
    expect(node.sent).toHaveLength(1);
  });

  it("replaces its transaction at the same nonce, an eighth dearer or more, when the base fee left it behind", async () => {
    const { node, send } = fakeNode();
    await send(7);
    node.baseFee = 21n * gwei;
    await send(7);
    expect(noncesOf(node.sent)).toEqual([0, 0]);
    expect(node.pool).toEqual([node.sent[1]]);
    expect(node.sent[1]!.fee).toBe(43n * gwei);
    expect(node.sent[1]!.tip).toBe((gwei * 9n) / 8n + 1n);
    await send(7);
    expect(node.pool).toEqual([node.sent[1]]);
  });

  it("outbids what stands at its nonce when the node calls it underpriced", async () => {
    const { node, send } = fakeNode();
    await send(7);
    const [first] = node.dropAll();
    node.pool.push({ ...first!, raw: "0x02" });
    await send(7);
    expect(noncesOf(node.pool)).toEqual([0]);
    expect(node.pool[0]!.fee * 8n).toBeGreaterThan(first!.fee * 9n);
  });

  it("gets the next nonce when its own was used by something else", async () => {
    const { node, send } = fakeNode();
    await send(7);
    node.mine();
    await send(7);
    expect(noncesOf(node.sent)).toEqual([0, 1]);
  });
});

describe("another operation", () => {
  it("waits behind one that is still good", async () => {
    const { node, send } = fakeNode();
    await send(7);
    await send(8);
    expect(noncesOf(node.pool)).toEqual([0, 1]);
  });

  it("takes the place of one whose time has passed, so that it is not stuck behind it", async () => {
    const { node, send } = fakeNode();
    await send(7);
    node.refusals.set(7, "AA22 expired or not due");
    node.baseFee = 30n * gwei;
    await send(8);
    expect(noncesOf(node.sent)).toEqual([0, 0]);
    expect(node.pool).toEqual([node.sent[1]]);
  });
});

/** An anchor, or what a process before this one had sent: the bundler has not seen it. */
async function stray(fee: bigint, nonce = 0): Promise<Pooled> {
  const fees = { maxFeePerGas: fee, maxPriorityFeePerGas: gwei };
  const raw = await executor.signTransaction({ type: "eip1559", chainId: 31337, nonce, ...fees });
  return { raw, nonce, fee, tip: gwei };
}

describe("a transaction of the purse that is stuck", () => {
  it("gives its nonce to the next operation", async () => {
    const { node, send } = fakeNode();
    node.pool.push(await stray(21n * gwei), await stray(21n * gwei, 1));
    node.baseFee = 40n * gwei;
    // The tip outbids it, too.
    node.tip = 2n * gwei;
    await send(7);
    expect(node.pool.map(({ fee, nonce }) => [nonce, fee])).toEqual([
      [1, 21n * gwei],
      [0, 82n * gwei],
    ]);
    await send(8);
    expect(node.pool.map(({ fee, nonce }) => [nonce, fee])).toEqual([
      [0, 82n * gwei],
      [1, 82n * gwei],
    ]);
  });

  it("keeps its nonce while its price does", async () => {
    const { node, send } = fakeNode();
    node.pool.push(await stray(21n * gwei));
    await send(7);
    expect(noncesOf(node.pool)).toEqual([0, 1]);
    await send(7);
    expect(noncesOf(node.pool)).toEqual([0, 1]);
  });
});

describe("the purse", () => {
  /** 100,006 gas: what the operation may use, and what a bundle takes beside it. */
  const gas = 100_006n;

  it("pays no more for an operation than it may, and does when that is enough", async () => {
    const { node, send } = fakeNode(gas * 21n * gwei);
    await send(7);
    expect(node.sent).toHaveLength(1);
    node.baseFee = 11n * gwei;
    await expect(send(8)).rejects.toThrow(BundlerError);
    await expect(send(8)).rejects.toThrow(/would cost the purse more than it may pay/);
    expect(node.sent).toHaveLength(1);
  });

  it("replaces no transaction of its own by one that is dearer than that", async () => {
    const { node, send } = fakeNode(gas * 22n * gwei);
    await send(7);
    node.baseFee = 21n * gwei;
    await expect(send(7)).rejects.toThrow(/more than it may pay/);
    expect(node.sent).toHaveLength(1);
    node.baseFee = 10n * gwei;
    await send(7);
    expect(node.pool).toEqual([node.sent[0]]);
  });

  it("has a bound where nobody names one: 0.05 ETH", async () => {
    const { node, send } = fakeNode();
    node.baseFee = 249n * gwei;
    await send(7);
    node.baseFee = 250n * gwei;
    await expect(send(8)).rejects.toThrow(/more than it may pay for one operation, 0\.05 ETH/);
  });
});
