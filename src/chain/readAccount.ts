import { erc20Abi, zeroAddress, type Address, type Hex } from "viem";

import type { CompiledPolicy } from "../policy/compile.ts";
import type { AccountOrigin } from "./accountOrigin.ts";
import { isDeployed } from "./isDeployed.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import { ask, newestBlock, type Chain } from "./connectChain.ts";
import { entryPointAddress } from "./entryPoint.ts";
import { laneOf } from "./signOperation.ts";

/** What is stored about one limit, as packed words (`Counters`, `Caps`). */
export type LimitState = {
  readonly countersWord: bigint;
  /** Zero unless the limit counts operations. */
  readonly operationsWord: bigint;
  /** The cap over all agents of the account for this asset; zero: none. */
  readonly capWord: bigint;
  readonly balanceUnits: bigint;
};

/** What the chain says about one account under one policy, all of it at one block. */
export type AccountState = {
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  /** Unix seconds. */
  readonly blockTimestamp: bigint;
  /** Whether the account is there; one that is not is read as it will be when it is made. */
  readonly made: boolean;
  readonly owner: Address;
  readonly frozen: boolean;
  readonly epoch: number;
  /** Next sequence of the agent's nonce lane, whole 256-bit nonce. */
  readonly nonce: bigint;
  /** What the account has in the EntryPoint to pay gas from, and its own native coin. */
  readonly depositWei: bigint;
  readonly nativeWei: bigint;
  /** When the owner was last heard of, unix seconds; 0: never. */
  readonly lastHeartbeat: bigint;
  /** One per limit of the policy, in order. */
  readonly limits: readonly LimitState[];
};

/**
 * Reads everything a decision needs, pinned to the newest block so that no two facts come from different states.
 *
 * @param origin how an account is made that may not be there yet
 */
export async function readAccount(
  chain: Chain,
  account: Address,
  policy: CompiledPolicy,
  origin?: AccountOrigin,
): Promise<AccountState> {
  const { client } = chain;
  return ask(chain, async () => {
    const block = await newestBlock(chain);
    const blockNumber = block.number;
    const at = { blockNumber };
    const unmade = origin && !(await isDeployed(chain, account, blockNumber)) ? origin : undefined;
    const [book, nonce, depositWei, nativeWei, ...balances] = await Promise.all([
      unmade ? emptyBook(unmade, policy) : readBook(chain, account, policy, blockNumber),
      client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "getNonce",
        args: [account, laneOf(policy.agent)],
        ...at,
      }),
      client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "balanceOf",
        args: [account],
        ...at,
      }),
      client.getBalance({ address: account, ...at }),
      ...policy.limits.map(({ grant: { asset } }) => balanceOf(chain, asset, account, blockNumber)),
    ]);
    return {
      blockNumber,
      blockHash: block.hash,
      blockTimestamp: block.timestamp,
      made: unmade === undefined,
      ...book,
      nonce,
      depositWei,
      nativeWei,
      limits: book.limits.map((words, index) => ({ ...words, balanceUnits: balances[index]! })),
    };
  });
}

/** What the account itself keeps. */
type Book = Pick<AccountState, "owner" | "frozen" | "epoch" | "lastHeartbeat"> & {
  readonly limits: readonly Omit<LimitState, "balanceUnits">[];
};

async function readBook(
  { client }: Chain,
  account: Address,
  policy: CompiledPolicy,
  blockNumber: bigint,
): Promise<Book> {
  const read = { address: account, abi: agentAccountAbi, blockNumber } as const;
  const [owner, lastHeartbeat, frozen, epoch, ...limits] = await Promise.all([
    client.readContract({ ...read, functionName: "owner" }),
    client.readContract({ ...read, functionName: "lastHeartbeat" }),
    client.readContract({ ...read, functionName: "frozen" }),
    client.readContract({ ...read, functionName: "epoch" }),
    ...policy.limits.map(async ({ grant: { asset }, policyId }) => {
      const [countersWord, operationsWord, capWord] = await Promise.all([
        client.readContract({ ...read, functionName: "counters", args: [policyId] }),
        client.readContract({ ...read, functionName: "operationCounters", args: [policyId] }),
        client.readContract({ ...read, functionName: "capCounters", args: [asset] }),
      ]);
      return { countersWord, operationsWord, capWord };
    }),
  ]);
  return { owner, lastHeartbeat, frozen, epoch: Number(epoch), limits };
}

const emptyBook = ({ owner }: AccountOrigin, { limits }: CompiledPolicy): Book => ({
  owner,
  frozen: false,
  epoch: 0,
  lastHeartbeat: 0n,
  limits: limits.map(() => ({ countersWord: 0n, operationsWord: 0n, capWord: 0n })),
});

async function balanceOf(
  chain: Chain,
  asset: Address,
  account: Address,
  blockNumber: bigint,
): Promise<bigint> {
  return asset === zeroAddress
    ? chain.client.getBalance({ address: account, blockNumber })
    : chain.client.readContract({
        address: asset,
        abi: erc20Abi,
        functionName: "balanceOf",
        args: [account],
        blockNumber,
      });
}
