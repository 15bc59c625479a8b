import { isAddressEqual, type Address } from "viem";

import type { AccountOrigin } from "../../chain/accountOrigin.ts";
import { agentAccountFactoryDeployment } from "../../chain/deploy.ts";
import { etherUp } from "../../core/amount.ts";
import type { CompiledPolicy } from "../../policy/compile.ts";
import { explainPolicy } from "../../policy/explain.ts";
import { nativeToken } from "../../policy/registry.ts";

/** What a payer reads before he signs for an account of his own: whose it is, what the agent may do with it, and how he takes it back. */
export function explainAccount(
  policy: CompiledPolicy,
  account: Address,
  { owner }: AccountOrigin,
  made: boolean,
  signatures: number,
): readonly string[] {
  const paid = policy.limits.map(({ token }) =>
    token === nativeToken ? "ETH" : `${token.symbol} (${token.address})`,
  );
  const most = policy.limits.reduce((top, { grant }) => (grant.feeCap > top ? grant.feeCap : top), 0n);
  return [
    `The account ${account} is ${owner}'s alone, and stays so: that owner is a part of its address. ${made ? "It is there already." : `Nothing is there yet: the agent's first operation makes it, by the factory ${agentAccountFactoryDeployment.address}.`}`,
    ...explainPolicy(policy).map(({ words }) => words),
    "Only what is put into that account can be lost by this; nothing is taken from anywhere else.",
    `It has to hold what the agent is to pay, ${paid.join(" and ")}, and ETH for gas: at most ${etherUp(most)} ETH an operation.`,
    `${owner} can take everything out again, at any time, by plain transactions from any wallet: withdraw(asset, to, amount) of the account, and withdrawDeposit(to, amount) for what is left of the gas that it paid ahead. revoke and revokeAll end what the agent may do, freeze stops it at once.`,
    signatures === 1
      ? "You sign once."
      : `You sign ${signatures} times: once for each limit, for each is granted by itself. One of them alone is good for its limit.`,
  ];
}

/** Coin or token, as the account's own functions name it. */
export const isCoin = (asset: Address): boolean => isAddressEqual(asset, nativeToken.address);
