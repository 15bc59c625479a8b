import type { Address, Hex } from "viem";

import { creationOf, type AccountOrigin } from "../../chain/accountOrigin.ts";
import { permit2Address } from "../../chain/deploy.ts";
import { entryPointAddress } from "../../chain/entryPoint.ts";
import { etherUp } from "../../core/amount.ts";
import type { GrantDelegation } from "../../core/delegation.ts";

/** One way to stop, as any wallet or explorer takes it. */
export type Stop = { readonly words: string; readonly link: string };

/**
 * How a payer stops an agent without this software: EIP-681 links that wallets open, each a plain transaction of the payer's. The
 * contract is the SpendGrant contract, or the agent's PermissionSpender.
 */
export const stopsOf = ({
  chainId,
  contract,
  id,
  rung,
  source,
  token,
}: Pick<GrantDelegation, "chainId" | "contract" | "id" | "rung" | "source" | "token">): readonly Stop[] => {
  const to = (target: Address, call: string): string => `ethereum:${target}@${chainId}/${call}`;
  if (rung === "erc7715")
    return [
      { words: "End this permission", link: to(contract, `revoke?bytes32=${id}`) },
      {
        words: "End everything that you ever permit this agent's contract, later permissions too",
        link: to(contract, "revokeAll"),
      },
    ];
  return [
    { words: "End this grant", link: to(contract, `revoke?bytes32=${id}`) },
    { words: "End everything that was ever signed for this contract", link: to(contract, "revokeAll") },
    // The one that is pulled by: spends through Permit2 go on whatever the token's own allowance for the contract is.
    source === "permit2"
      ? {
          words: `Take back the allowance in Permit2 that this grant uses (the token's own for ${contract}, if you gave one, stays)`,
          link: to(permit2Address, `approve?address=${token.address}&address=${contract}&uint160=0&uint48=0`),
        }
      : {
          words: `Take back the token's allowance that this grant uses (one in Permit2 for ${contract}, if you gave one, stays)`,
          link: to(token.address, `approve?address=${contract}&uint256=0`),
        },
  ];
};

/**
 * The same for an account of the payer's own. What lies at an address without code does nothing when it is called, so an account that is not
 * there yet is made first.
 *
 * @param holds what was in the account when the card was written, in base units; `depositWei` what it had in the EntryPoint for gas then. Both
 * are empty where the chain could not be asked
 */
export const accountStopsOf = (own: {
  readonly chainId: number;
  readonly account: Address;
  readonly origin: AccountOrigin;
  readonly made: boolean;
  readonly limits: readonly { readonly symbol: string; readonly policyId: Hex }[];
  readonly holds: readonly { readonly asset: Address; readonly units: bigint; readonly words: string }[];
  readonly depositWei?: bigint | undefined;
}): readonly Stop[] => {
  const { account, chainId, depositWei, holds, limits, made, origin } = own;
  const to = (target: Address, call: string): string => `ethereum:${target}@${chainId}/${call}`;
  return [
    ...(made
      ? []
      : [
          {
            words: "First, as long as nothing is at the account's address: make it",
            link: to(
              creationOf(origin).factory,
              `createAccount?address=${origin.owner}&uint256=${BigInt(origin.salt)}`,
            ),
          },
        ]),
    { words: "Stop the agent at once", link: to(account, "freeze") },
    ...limits.map(({ policyId, symbol }) => ({
      words: `End the ${symbol} limit for good`,
      link: to(account, `revoke?bytes32=${policyId}`),
    })),
    {
      words: "End everything that was ever signed for this account",
      link: to(account, "revokeAll"),
    },
    ...holds.map(({ asset, units, words }) => ({
      words: `Take out ${words}, or another amount`,
      link: to(account, `withdraw?address=${asset}&address=${origin.owner}&uint256=${units}`),
    })),
    // Always there: what an operation's gas does not use up stays in the EntryPoint, and withdraw does not reach that.
    {
      words: `Take out what is left of the gas that it paid ahead, as much as the EntryPoint ${entryPointAddress} says by then (balanceOf of the account)${depositWei === undefined ? "" : `; now ${etherUp(depositWei)} ETH`}`,
      link: to(account, `withdrawDeposit?address=${origin.owner}&uint256=${depositWei ?? 0n}`),
    },
  ];
};
