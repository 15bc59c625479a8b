import type { WalletAccount, WalletLink } from "../../core/walletLink.ts";
import { hasAccount } from "../../delegation/readSession.ts";
import { DelegationError } from "./answers.ts";

/**
 * Whoever watches sessions pauses what is in force, and a delegation on its way there is not: this is asked just before.
 *
 * @throws DelegationError when the wallet has parted, or its session has the account no more
 */
export async function requireConnected(
  link: WalletLink,
  topic: string,
  account: WalletAccount,
): Promise<void> {
  const { sessions } = await link.resume();
  if (sessions.some((one) => one.topic === topic && hasAccount(one, account))) return;
  throw new DelegationError("The wallet parted before its grant was in force.", {
    remedy: "End it on the chain, or connect and delegate again.",
  });
}
