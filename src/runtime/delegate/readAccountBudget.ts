import { erc20Abi, zeroAddress, type Address } from "viem";

import { isDeployed } from "../../chain/isDeployed.ts";
import { agentAccountAbi } from "../../chain/abi/agentAccount.ts";
import { ask, type Chain } from "../../chain/connectChain.ts";
import type { AccountDelegation } from "../../core/delegation.ts";
import { unitsOf } from "../../policy/grant.ts";
import { grantOf } from "../../policy/grantJson.ts";
import { unitOf } from "../../policy/meter.ts";
import { decodeCounters, type Counters } from "../../policy/usage.ts";
import { windowAt } from "../../policy/window.ts";
import { claimAt } from "../claim.ts";

/** How far one limit of an account of the payer's own is used, at one block. Base units. */
export type AccountBudget = {
  /** Whether the account is there: its agent's first operation makes it. */
  readonly made: boolean;
  /** `unknown`: signed, and not yet brought. */
  readonly status: Counters["status"];
  /** The account's. */
  readonly epoch: bigint;
  readonly frozen: boolean;
  readonly spent: bigint;
  readonly leftInTotal: bigint;
  readonly leftInWindow: bigint;
  readonly balance: bigint;
};

/** Reads it from the chain's own counters; of an account that is not there, what its limit will begin with. */
export async function readAccountBudget(
  chain: Chain,
  { contract, grant: json, id }: AccountDelegation,
  { number: blockNumber, timestamp }: { readonly number: bigint; readonly timestamp: bigint },
): Promise<AccountBudget> {
  const grant = grantOf(json);
  const balance = await balanceOf(chain, grant.asset, contract, blockNumber);
  const untouched = { spent: 0n, leftInTotal: grant.lifetime, leftInWindow: grant.perWindow, balance };
  if (!(await isDeployed(chain, contract, blockNumber)))
    return { made: false, status: "unknown", epoch: 0n, frozen: false, ...untouched };
  const read = { address: contract, abi: agentAccountAbi, blockNumber } as const;
  const [word, epoch, frozen] = await ask(chain, () =>
    Promise.all([
      chain.client.readContract({ ...read, functionName: "counters", args: [id] }),
      chain.client.readContract({ ...read, functionName: "epoch" }),
      chain.client.readContract({ ...read, functionName: "frozen" }),
    ]),
  );
  const { lifetime, status } = decodeCounters(word);
  const unit = unitOf(unitsOf(grant)!);
  const { spent } = windowAt(word, claimAt(Number(timestamp)), grant.bucket);
  const spentInAll = BigInt(lifetime) * unit;
  const left = (most: bigint, used: bigint) => (used < most ? most - used : 0n);
  return {
    made: true,
    status,
    epoch,
    frozen,
    ...untouched,
    spent: spentInAll,
    leftInTotal: left(grant.lifetime, spentInAll),
    leftInWindow: left(grant.perWindow, spent * unit),
  };
}

/** Base units of an asset at an address; of the native coin wei. */
export const balanceOf = (
  chain: Chain,
  asset: Address,
  holder: Address,
  blockNumber?: bigint,
): Promise<bigint> =>
  ask(chain, () => {
    const at = blockNumber === undefined ? {} : { blockNumber };
    return asset === zeroAddress
      ? chain.client.getBalance({ address: holder, ...at })
      : chain.client.readContract({
          address: asset,
          abi: erc20Abi,
          functionName: "balanceOf",
          args: [holder],
          ...at,
        });
  });
