import {
  createPublicClient,
  custom,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  keccak256,
  LimitExceededRpcError,
  numberToHex,
  toHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { describe, expect, it } from "vitest";

import { entryPointAbi } from "../../../src/chain/abi/entryPoint.ts";
import type { Chain, Finality } from "../../../src/chain/connectChain.ts";
import { entryPointAddress } from "../../../src/chain/entryPoint.ts";
import { operationStatus } from "../../../src/chain/findReceipt.ts";
import { laneOf } from "../../../src/chain/signOperation.ts";
import type { Operation } from "../../../src/core/operation.ts";

const agent: Address = "0x4242424242424242424242424242424242424242";
const account: Address = "0x359e534d4C79745c3c0A0BC80d80cfAe9e82699e";
const userOpHash = keccak256("0x0a");
const nonce = laneOf(agent) << 64n;
const validUntil = 1_800_000_300;

const operation: Operation = {
  chainId: 31337,
  entryPoint: entryPointAddress,
  userOp: {
    sender: account,
    nonce: numberToHex(nonce),
    callData: "0x",
    callGasLimit: "0x1",
    verificationGasLimit: "0x1",
    preVerificationGas: "0x1",
    maxFeePerGas: "0x1",
    maxPriorityFeePerGas: "0x1",
    signature: "0x",
  },
  userOpHash,
  validAfter: validUntil - 300,
  validUntil,
  treeSize: 1,
  treeRoot: keccak256("0x0b"),
};

type Block = { readonly timestamp: number; readonly operation?: Hex };

/** A chain that may move before each answer: an operation is in a block from the moment the block is pushed. */
function fakeChain(blocks: Block[], finality: Finality, beforeAnswer: (request: number) => void = () => {}) {
  const asked: { readonly method: string; readonly params: readonly unknown[] }[] = [];
  const hashOf = (number: number) => keccak256(toHex(number));
  const answers: Record<string, (params: readonly unknown[]) => unknown> = {
    eth_getBlockByNumber([at]) {
      const number = at === "latest" ? blocks.length - 1 : Number(at);
      return {
        hash: hashOf(number),
        number: numberToHex(number),
        timestamp: numberToHex(blocks[number]!.timestamp),
      };
    },
    eth_blockNumber: () => numberToHex(blocks.length - 1),
    eth_getLogs([filter]) {
      const { fromBlock, toBlock } = filter as { fromBlock: Hex; toBlock: string };
      const last = toBlock === "latest" ? blocks.length - 1 : Number(toBlock);
      return blocks.flatMap((block, number) =>
        block.operation && number >= Number(fromBlock) && number <= last
          ? [{ ...logOf(block.operation), blockNumber: numberToHex(number), blockHash: hashOf(number) }]
          : [],
      );
    },
    eth_call([, at]) {
      const last = at === undefined || at === "latest" ? blocks.length - 1 : Number(at);
      const used = blocks.slice(0, last + 1).filter((block) => block.operation).length;
      return numberToHex(nonce + BigInt(used), { size: 32 });
    },
  };
  const client = createPublicClient({
    cacheTime: 0,
    transport: custom(
      {
        async request({ method, params = [] }: { method: string; params?: readonly unknown[] }) {
          beforeAnswer(asked.length);
          asked.push({ method, params });
          return answers[method]!(params);
        },
      },
      { retryCount: 0 },
    ),
  });
  const chain: Chain = { client, chainId: 31337, url: "in-process", finality, witnesses: [] };
  return { chain, asked };
}

function logOf(executed: Hex) {
  return {
    address: entryPointAddress,
    topics: encodeEventTopics({
      abi: entryPointAbi,
      eventName: "UserOperationEvent",
      args: { userOpHash: executed, sender: account, paymaster: zeroAddress },
    }),
    data: encodeAbiParameters(
      [{ type: "uint256" }, { type: "bool" }, { type: "uint256" }, { type: "uint256" }],
      [nonce, true, 7n, 9n],
    ),
    transactionHash: keccak256("0x0c"),
    transactionIndex: "0x0",
    logIndex: "0x0",
    removed: false,
  };
}

const before: Block = { timestamp: validUntil - 100 };
const landed: Block = { timestamp: validUntil, operation: userOpHash };
const after: Block = { timestamp: validUntil + 12 };

const look = (chain: Chain, operations: readonly [Operation, ...Operation[]] = [operation]) =>
  operationStatus(chain, operations, 0n);
const rowOf = async (chain: Chain) => (await look(chain)).recovery.row;

describe("an operation is not declared expired", () => {
  it.each([0, 1, 2, 3])(
    "when it lands and its time passes just before request %i is answered",
    async (at) => {
      const blocks = [before];
      const { chain } = fakeChain(blocks, { depth: 0 }, (request) => {
        if (request === at && blocks.length === 1) blocks.push(landed, after);
      });
      expect(await rowOf(chain)).not.toBe("expired");
      expect(await look(chain)).toMatchObject({
        recovery: { row: "mined", act: "settle" },
        landed: { operation, receipt: { blockNumber: "1", outcome: "success" } },
      });
    },
  );

  it("by a node whose log index lags behind its state: it looks again", async () => {
    const { chain } = fakeChain([before, landed, after], { depth: 0 });
    const logs: unknown[][] = [[]];
    const real = chain.client.getLogs;
    const client = { ...chain.client, getLogs: ((filter: never) => logs.shift() ?? real(filter)) as never };
    expect((await look({ ...chain, client })).recovery).toEqual({ row: "unseen", act: "look-again" });
    expect((await look({ ...chain, client })).recovery).toEqual({ row: "mined", act: "settle" });
  });

  it("by the head's time, while the final block is older", async () => {
    expect(await rowOf(fakeChain([before, before, after], { depth: 1 }).chain)).toBe("open");
    expect(await rowOf(fakeChain([before, after], { depth: 5 }).chain)).toBe("open");
  });

  it("at the last second of its time", async () => {
    expect(await rowOf(fakeChain([before, { timestamp: validUntil }], { depth: 0 }).chain)).toBe("open");
  });

  it("while a fee bump of it has more time", async () => {
    const longer = { ...operation, userOpHash: keccak256("0x0e"), validUntil: validUntil + 100 };
    const { chain } = fakeChain([before, after, after], { depth: 1 });
    expect((await look(chain, [operation, longer])).recovery.row).toBe("open");
  });
});

describe("operationStatus", () => {
  it("declares it expired by the nonce at the very block whose time is past", async () => {
    const { asked, chain } = fakeChain([before, after, after], { depth: 1 });
    expect(await look(chain)).toMatchObject({ recovery: { row: "expired" }, final: { number: 1n } });
    expect(asked.filter(({ method }) => method === "eth_call").at(-1)?.params[1]).toBe("0x1");
  });

  it("says that an included operation is not final yet", async () => {
    const { chain } = fakeChain([before, landed], { depth: 1 });
    expect((await look(chain)).recovery).toEqual({ row: "mined", act: "wait" });
  });

  it("looks through more blocks than the RPC gives at once", async () => {
    const long = [before, landed, ...Array.from({ length: 1_500 }, () => after)];
    const { asked, chain } = fakeChain(long, { depth: 0 });
    const real = chain.client.getLogs;
    const refuseMany = (filter: { readonly fromBlock: bigint; readonly toBlock: bigint | "latest" }) =>
      filter.toBlock === "latest" || filter.toBlock - filter.fromBlock > 1_000n
        ? Promise.reject(new LimitExceededRpcError(new Error("more than 1000 blocks")))
        : real(filter as never);
    const client = { ...chain.client, getLogs: refuseMany as never };
    expect((await look({ ...chain, client })).recovery).toEqual({ row: "mined", act: "settle" });
    expect(asked.length).toBeLessThan(12);
  });

  it("asks for the lane that the operation is in", async () => {
    const { asked, chain } = fakeChain([before, landed], { depth: 0 });
    await look(chain);
    const [call] = asked.find(({ method }) => method === "eth_call")!.params as [{ readonly data: Hex }];
    expect(call.data).toBe(
      encodeFunctionData({ abi: entryPointAbi, functionName: "getNonce", args: [account, laneOf(agent)] }),
    );
  });

  it("finds a fee bump that landed in its place", async () => {
    const first = { ...operation, userOpHash: keccak256("0x0e") };
    const { chain } = fakeChain([before, landed], { depth: 0 });
    expect(await look(chain, [first, operation])).toMatchObject({
      recovery: { row: "sibling", act: "settle" },
      landed: { operation, receipt: { userOpHash } },
    });
  });

  it.each([before, after])("names who used the nonce instead (%o)", async (last) => {
    const foreign: Block = { timestamp: validUntil - 50, operation: keccak256("0x0d") };
    expect(await look(fakeChain([before, foreign, last], { depth: 0 }).chain)).toMatchObject({
      recovery: { row: "foreign", act: "freeze" },
      landed: null,
      stranger: { userOpHash: foreign.operation, transaction: keccak256("0x0c") },
      next: nonce + 1n,
    });
  });
});
