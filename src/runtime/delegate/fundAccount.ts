import { encodeFunctionData, erc20Abi, type Address } from "viem";

import type { WalletAccount } from "../../core/walletLink.ts";
import { showUnits, type Token } from "../../policy/registry.ts";
import { answerOf, expirySeconds, unlessStopped } from "./answers.ts";
import { until } from "./bring.ts";
import { isCoin } from "./explainAccount.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import { balanceOf } from "./readAccountBudget.ts";

/** What the account is to hold, in base units. */
export type Funds = { readonly token: Token; readonly units: bigint };

/**
 * Asks the payer's wallet for plain transfers to his account, of what is missing there to what it is to hold, and waits until the chain
 * has them. Asked again, what came meanwhile is not asked for.
 *
 * @throws DelegationError
 */
export async function fundAccount(
  options: Pick<HandOverOptions, "chain" | "link" | "signal" | "sleep" | "tell">,
  topic: string,
  payer: Address,
  account: Address,
  funds: readonly Funds[],
): Promise<void> {
  const { chain, link, signal, tell } = options;
  const from: WalletAccount = { chainId: chain.chainId, address: payer };
  for (const { token, units } of funds) {
    const missing = units - (await balanceOf(chain, token.address, account));
    if (missing <= 0n) continue;
    const words = showUnits(missing, token);
    tell({ kind: "asked", what: "funds", words });
    const call = isCoin(token.address)
      ? { to: account, value: missing }
      : {
          to: token.address,
          data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [account, missing] }),
        };
    answerOf(
      await unlessStopped(
        signal,
        link.send(topic, from, call, { id: `fund:${topic.slice(0, 32)}:${token.address}`, expirySeconds }),
      ),
      `send ${words}`,
    );
    // The hash that it answered says nothing: the balance does.
    await until(
      options,
      `${words} at the account`,
      async () => (await balanceOf(chain, token.address, account)) >= units,
    );
    tell({ kind: "funded", words });
  }
}
