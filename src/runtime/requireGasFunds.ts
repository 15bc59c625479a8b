import type { Address } from "viem";

import type { AccountOrigin } from "../chain/accountOrigin.ts";
import { isDeployed } from "../chain/isDeployed.ts";
import type { Chain } from "../chain/connectChain.ts";
import { gasFundsOf } from "../chain/gasFunds.ts";
import { feesIn, readGasMarket } from "../chain/gasMarket.ts";
import { etherUp } from "../core/amount.ts";
import { BaseError } from "../core/errors.ts";

/** An account that is to be made by its own first operation has nothing to pay that with. */
export class AccountNotFundedError extends BaseError {
  override readonly name = "AccountNotFundedError";
}

/** What the first operation takes, generously: the account, a grant, one payment. */
const firstOperationGas = 420_000n;

/**
 * Whoever owns an account that is not there yet has to fund it first, with what the first operation costs at today's price: until then
 * each bill would be refused, and a refused one does not come again.
 *
 * @throws AccountNotFundedError
 */
export async function requireGasFunds(
  chain: Chain,
  account: Address,
  { owner }: AccountOrigin,
): Promise<void> {
  if (await isDeployed(chain, account)) return;
  const heldWei = await gasFundsOf(chain, account);
  const leastWei = firstOperationGas * feesIn(await readGasMarket(chain)).maxFeePerGasWei;
  if (heldWei >= leastWei) return;
  throw new AccountNotFundedError(
    "The agent's account is not there yet, and has not enough coin to be made with.",
    {
      remedy: `Its owner sends native coin to ${account}, by a plain transfer from any wallet: ${etherUp(leastWei)} ETH for gas at today's price, and what is to be paid. Then start again. Only ${owner} can take it out again.`,
      facts: { account, owner, holds: `${etherUp(heldWei)} ETH` },
    },
  );
}
