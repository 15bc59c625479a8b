import type { Address } from "viem";

import type { CompiledLimit } from "./compile.ts";
import { GrantTermsError, mostDays } from "./composeGrant.ts";
import { bucketsPerWindow } from "./grant.ts";
import { mostPermitted, type PermissionTerms } from "./permission.ts";
import { isShowable, longestPurpose } from "./spendGrantMistakes.ts";

const daySeconds = 86_400;

/**
 * The permission that an agent asks a payer's wallet for: no wider than its policy, which limits it as well. Wallets say an amount a
 * period and an end, and no total beside it. So without an amount per window there is one period, the whole time, and its amount is the
 * total; with one, periods are the policy's windows, and the total follows from their number.
 *
 * @throws GrantTermsError
 */
export function composePermission(terms: {
  readonly account: Address;
  readonly spender: Address;
  readonly manager: Address;
  readonly limit: CompiledLimit;
  /** Base units; without it and without `perWindow`, what one window of the policy allows: a first permission is small. */
  readonly total?: bigint | undefined;
  readonly perWindow?: bigint | undefined;
  /** 90 at most. */
  readonly days: number;
  /** Unix seconds of the newest block. */
  readonly at: number;
  readonly purpose: string;
}): PermissionTerms {
  const { at, days, limit, perWindow, purpose, total } = terms;
  const wrong = (words: string, remedy: string) => new GrantTermsError(words, { remedy });
  if (!Number.isInteger(days) || days < 1 || days > mostDays)
    throw wrong(`${days} is no number of days that a permission may hold.`, `Say 1 to ${mostDays}.`);
  if (!isShowable(purpose))
    throw wrong("The purpose can't be shown as it is.", `Use 1 to ${longestPurpose} visible characters.`);
  const expiry = Math.min(at + days * daySeconds, Number(limit.grant.expiry));
  if (expiry <= at) throw wrong("The policy has expired.", "Install one that has not.");
  const { account, manager, spender } = terms;
  const common = { account, spender, manager, token: limit.token.address, start: at, expiry, purpose };
  if (perWindow === undefined) {
    const perPeriod = total ?? limit.grant.perWindow;
    if (perPeriod <= 0n) throw wrong("A permission is for more than nothing.", "Say how much.");
    return { ...common, perPeriod, period: expiry - at };
  }
  const period = Number(limit.grant.bucket * bucketsPerWindow);
  const periodic = { ...common, perPeriod: perWindow, period };
  if (perWindow <= 0n) throw wrong("A permission is for more than nothing.", "Say how much.");
  if (total !== undefined && mostPermitted(periodic) > total)
    throw wrong(
      "A wallet's permission says an amount for each period and an end, and no total beside it: the periods come to more than the total.",
      "Say the total or the amount per window, or fewer days.",
    );
  return periodic;
}
