import { erc20Abi, parseAbi, type Address } from "viem";

import type { AllowanceSource } from "../core/delegation.ts";
import type { GrantBudget } from "../policy/grantReasons.ts";
import { spendGrantArgument, spendGrantHash, type SpendGrant } from "../policy/spendGrant.ts";
import { spendGrantAbi } from "./abi/spendGrant.ts";
import { ask, type Chain } from "./connectChain.ts";
import { permit2Address } from "./deploy.ts";

/** What is read of Permit2 (Uniswap, AllowanceTransfer). */
export const permit2Abi = parseAbi([
  "function allowance(address owner, address token, address spender) view returns (uint160 amount, uint48 expiration, uint48 nonce)",
]);

const statuses = ["unknown", "granted", "revoked"] as const;

/**
 * How far a grant is used, what it leaves, and what its payer has and allows, all at one block.
 *
 * @param contract the SpendGrant contract
 */
export async function readGrantBudget(
  chain: Chain,
  contract: Address,
  grant: SpendGrant,
  source: AllowanceSource,
  blockNumber: bigint,
): Promise<GrantBudget> {
  const { client } = chain;
  const { account, token } = grant;
  const at = { blockNumber };
  return ask(chain, async () => {
    const [budget, epoch, balance, allowance] = await Promise.all([
      client.readContract({
        address: contract,
        abi: spendGrantAbi,
        functionName: "budgetOf",
        args: [spendGrantArgument(grant)],
        ...at,
      }),
      client.readContract({
        address: contract,
        abi: spendGrantAbi,
        functionName: "epochOf",
        args: [account],
        ...at,
      }),
      client.readContract({
        address: token,
        abi: erc20Abi,
        functionName: "balanceOf",
        args: [account],
        ...at,
      }),
      source === "token"
        ? client.readContract({
            address: token,
            abi: erc20Abi,
            functionName: "allowance",
            args: [account, contract],
            ...at,
          })
        : readPermit2Allowance(chain, account, token, contract, at),
    ]);
    return {
      hash: spendGrantHash(grant, chain.chainId, contract),
      status: statuses[budget.status] ?? "revoked",
      epoch,
      leftInTotal: budget.leftInTotal,
      leftInWindow: budget.leftInWindow,
      spent: budget.spent,
      balance,
      allowance,
    };
  });
}

/** What Permit2 lets a spender take now: the smaller of its own allowance and the one that the token keeps for it. */
async function readPermit2Allowance(
  { client }: Chain,
  owner: Address,
  token: Address,
  spender: Address,
  at: { readonly blockNumber: bigint },
): Promise<bigint> {
  const [block, [amount, expiration], outer] = await Promise.all([
    client.getBlock(at),
    client.readContract({
      address: permit2Address,
      abi: permit2Abi,
      functionName: "allowance",
      args: [owner, token, spender],
      ...at,
    }),
    client.readContract({
      address: token,
      abi: erc20Abi,
      functionName: "allowance",
      args: [owner, permit2Address],
      ...at,
    }),
  ]);
  if (BigInt(expiration) < block.timestamp) return 0n;
  return amount < outer ? amount : outer;
}
