import {
  encodeAbiParameters,
  encodeEventTopics,
  erc20Abi,
  type Address,
  type Hex,
  type PublicClient,
} from "viem";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import type { Chain } from "../../src/chain/connectChain.ts";
import { decodeCalls } from "../../src/chain/decodeCalls.ts";
import { entryPointAddress, fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { sha256Hex } from "../../src/core/hash.ts";
import { encodeCounters } from "../../src/policy/usage.ts";

/** Every grant is in force and nothing was ever spent under it: what a payment costs is not this chain's business. */
const counters = encodeCounters({
  ring: Array.from({ length: 8 }, () => 0),
  newestBucket: 0,
  lifetime: 0,
  gas: 0,
  treeSize: 0,
  epoch: 0,
  status: "granted",
});
const wealth = 10n ** 30n;
const answers: Readonly<Record<string, unknown>> = {
  owner: "0x0000000000000000000000000000000000000001",
  lastHeartbeat: 0n,
  frozen: false,
  epoch: 0n,
  balanceOf: wealth,
  counters,
  operationCounters: 0n,
  capCounters: 0n,
};

/**
 * A chain in memory, with its bundler: it executes whatever it is handed in the same moment, in a block that is final at once, and
 * checks nothing. To measure a runtime without its chain.
 */
export function memoryChain(chainId: number): { readonly chain: Chain; readonly bundler: Bundler } {
  const block = { number: 1_000n, timestamp: 1_900_000_000n, hash: sha256Hex("block") };
  const used = new Map<string, bigint>();
  const events = new Map<string, { readonly transactionHash: Hex }[]>();
  const receipts = new Map<Hex, { readonly logs: readonly object[] }>();
  const client = {
    getChainId: () => Promise.resolve(chainId),
    getBlock: () => Promise.resolve(block),
    getBalance: () => Promise.resolve(wealth),
    readContract({ args, functionName }: { functionName: string; args?: readonly [Address, bigint] }) {
      if (functionName !== "getNonce") return Promise.resolve(answers[functionName]);
      const [sender, lane] = args!;
      return Promise.resolve((lane << 64n) | (used.get(`${sender}/${lane}`) ?? 0n));
    },
    getLogs: ({ args }: { args: { sender: Address } }) => Promise.resolve(events.get(args.sender) ?? []),
    getTransactionReceipt: ({ hash }: { hash: Hex }) => Promise.resolve(receipts.get(hash)),
  };
  const chain: Chain = {
    client: client as unknown as PublicClient,
    chainId,
    url: "in memory",
    finality: { depth: 0 },
    witnesses: [],
  };
  const bundler: Bundler = {
    name: "in memory",
    gasPrice: () => Promise.resolve({ maxFeePerGasWei: 10n ** 9n, maxPriorityFeePerGasWei: 10n ** 9n }),
    estimateGas: () =>
      Promise.resolve({
        callGasLimit: 60_000n,
        verificationGasLimit: 120_000n,
        preVerificationGas: 50_000n,
      }),
    send(json) {
      const userOp = fromUserOpJson(json);
      const userOpHash = userOpHashOf(chainId, userOp);
      const lane = `${userOp.sender}/${userOp.nonce >> 64n}`;
      if ((userOp.nonce & 0xffffffffffffffffn) !== (used.get(lane) ?? 0n)) return Promise.resolve(userOpHash);
      used.set(lane, (used.get(lane) ?? 0n) + 1n);
      const transaction = sha256Hex(userOpHash);
      const place = { blockNumber: block.number, blockHash: block.hash, transactionHash: transaction };
      const moved = (decodeCalls(userOp.callData) ?? []).map((call, logIndex) => ({
        ...place,
        logIndex,
        address: call.to,
        topics: encodeEventTopics({
          abi: erc20Abi,
          eventName: "Transfer",
          args: { from: userOp.sender, to: `0x${call.data.slice(34, 74)}` },
        }),
        data: encodeAbiParameters([{ type: "uint256" }], [BigInt(`0x${call.data.slice(74, 138)}`)]),
      }));
      const event = {
        ...place,
        logIndex: moved.length,
        address: entryPointAddress,
        args: { userOpHash, nonce: userOp.nonce, success: true, actualGasUsed: 1n, actualGasCost: 1n },
      };
      // An operation's logs stand between those two of the EntryPoint.
      const [topic] = encodeEventTopics({ abi: entryPointAbi, eventName: "UserOperationEvent" });
      for (const before of events.get(userOp.sender) ?? []) receipts.delete(before.transactionHash);
      receipts.set(transaction, { logs: [...moved, { ...event, topics: [topic], data: "0x" }] });
      // Only the newest: nobody asks for another, and thousands of them would have to be looked through.
      events.set(userOp.sender, [event]);
      return Promise.resolve(userOpHash);
    },
  };
  return { chain, bundler };
}
