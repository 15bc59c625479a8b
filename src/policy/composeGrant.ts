import type { Address, Hex } from "viem";

import { BaseError } from "../core/errors.ts";
import type { CompiledLimit, CompiledPolicy } from "./compile.ts";
import { bucketsPerWindow } from "./grant.ts";
import type { SpendGrant } from "./spendGrant.ts";
import { spendGrantMistakes } from "./spendGrantMistakes.ts";

/** What is wanted of a payer can't be put into a grant. */
export class GrantTermsError extends BaseError {
  override readonly name = "GrantTermsError";
}

export type GrantTerms = {
  /** The SpendGrant contract. */
  readonly contract: Address;
  readonly account: Address;
  readonly agent: Address;
  readonly agentKey: Address;
  readonly limit: CompiledLimit;
  readonly policy: Pick<CompiledPolicy, "payees" | "documentHash">;
  /** Base units; without, what one window of the policy allows: a first grant is small. */
  readonly total?: bigint | undefined;
  readonly perCall?: bigint | undefined;
  readonly perWindow?: bigint | undefined;
  /** How long it holds, 90 at most. */
  readonly days: number;
  /** Unix seconds of the newest block. */
  readonly at: number;
  readonly epoch: bigint;
  readonly salt: Hex;
  readonly purpose: string;
};

const daySeconds = 86_400;
/** The longest that the contract takes (ISpendGrant). */
export const mostDays = 90;
/** Grants begin a little before the newest block: clocks of blocks lag behind each other. */
const leadSeconds = 60;

/**
 * The grant that an agent asks a payer for: no wider than its policy, which limits it as well.
 *
 * @throws GrantTermsError
 */
export function composeGrant(terms: GrantTerms): SpendGrant {
  const { at, days, limit, policy } = terms;
  const { ceiling } = limit.grant.extras;
  // What an approver may lift a payment to: the policy asks for the approval, the grant bounds it.
  const mostAtOnce = ceiling > limit.grant.perCall ? ceiling : limit.grant.perCall;
  const total = terms.total ?? terms.perWindow ?? limit.grant.perWindow;
  // What nobody named gives way to what somebody did; what was named and does not fit is told.
  const perWindow = terms.perWindow ?? least(limit.grant.perWindow, total);
  const perCall = terms.perCall ?? least(mostAtOnce, perWindow);
  if (!Number.isInteger(days) || days < 1 || days > mostDays)
    throw new GrantTermsError(`${days} is no number of days that a grant may hold.`, {
      remedy: `Say 1 to ${mostDays}.`,
    });
  const grant: SpendGrant = {
    account: terms.account,
    agent: terms.agent,
    agentKey: terms.agentKey,
    token: limit.token.address,
    perCall,
    perWindow,
    window: Number(limit.grant.bucket * bucketsPerWindow),
    total,
    validAfter: at - leadSeconds,
    validUntil: Math.min(at - leadSeconds + days * daySeconds, Number(limit.grant.expiry)),
    // Nobody is paid out of his own account: a payer who is a payee as well can pay the others.
    payees: sorted(
      policy.payees.filter(
        ({ address, contract, purse }) => !contract && !purse && BigInt(address) !== BigInt(terms.account),
      ),
    ),
    anyPayee: false,
    epoch: terms.epoch,
    salt: BigInt(terms.salt),
    purpose: terms.purpose,
    policyHash: policy.documentHash,
  };
  const [mistake, ...others] = spendGrantMistakes(grant, { contract: terms.contract, now: at });
  if (mistake)
    throw new GrantTermsError([mistake, ...others].map(({ words }) => words).join(" "), {
      remedy: mistake.remedy,
    });
  return grant;
}

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other);

const sorted = (payees: readonly { readonly address: Address }[]): readonly Address[] =>
  [...new Map(payees.map(({ address }) => [BigInt(address), address]))]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, address]) => address);
