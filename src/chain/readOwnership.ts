import { erc20Abi, type Address, type Hex } from "viem";

import { decodeCounters, type Counters } from "../policy/usage.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { ask, type Chain } from "./connectChain.ts";

/** What the owner's actions depend on, all of it at one block. */
export type Ownership = {
  readonly owner: Address;
  /** The owner is a contract: it signs by ERC-1271, and sends its transactions by itself. */
  readonly contractOwner: boolean;
  readonly epoch: number;
  readonly frozen: boolean;
  /** Unix seconds; 0: never. */
  readonly lastHeartbeat: bigint;
  readonly blockTimestamp: bigint;
  /** One for each policy id that was asked about, in order. */
  readonly counters: readonly Counters[];
  readonly guardians: readonly boolean[];
  readonly caps: readonly { readonly perWindow: bigint; readonly bucket: bigint }[];
  readonly allowances: readonly bigint[];
};

export type OwnershipQuestions = {
  readonly policyIds: readonly Hex[];
  readonly guardians: readonly Address[];
  /** Assets whose cap is asked for. */
  readonly caps: readonly Address[];
  readonly allowances: readonly { readonly token: Address; readonly spender: Address }[];
};

export async function readOwnership(
  chain: Chain,
  account: Address,
  questions: OwnershipQuestions,
): Promise<Ownership> {
  const { client } = chain;
  return ask(chain, async () => {
    const block = await client.getBlock();
    const at = { blockNumber: block.number } as const;
    const read = { address: account, abi: agentAccountAbi, ...at } as const;
    const [owner, epoch, frozen, lastHeartbeat] = await Promise.all([
      client.readContract({ ...read, functionName: "owner" }),
      client.readContract({ ...read, functionName: "epoch" }),
      client.readContract({ ...read, functionName: "frozen" }),
      client.readContract({ ...read, functionName: "lastHeartbeat" }),
    ]);
    const code = await client.getCode({ address: owner, ...at });
    const [words, guardians, caps, allowances] = await Promise.all([
      Promise.all(
        questions.policyIds.map((id) =>
          client.readContract({ ...read, functionName: "counters", args: [id] }),
        ),
      ),
      Promise.all(
        questions.guardians.map((one) =>
          client.readContract({ ...read, functionName: "isGuardian", args: [one] }),
        ),
      ),
      Promise.all(
        questions.caps.map((asset) => client.readContract({ ...read, functionName: "capOf", args: [asset] })),
      ),
      Promise.all(
        questions.allowances.map(({ spender, token }) =>
          client.readContract({
            address: token,
            abi: erc20Abi,
            functionName: "allowance",
            args: [account, spender],
            ...at,
          }),
        ),
      ),
    ]);
    return {
      owner,
      // A delegation (EIP-7702) is code of 23 bytes, and its owner is a key all the same.
      contractOwner: code !== undefined && code !== "0x" && !code.startsWith("0xef0100"),
      epoch: Number(epoch),
      frozen,
      lastHeartbeat,
      blockTimestamp: block.timestamp,
      counters: words.map(decodeCounters),
      guardians,
      caps: caps.map(([perWindow, bucket]) => ({ perWindow, bucket })),
      allowances,
    };
  });
}
