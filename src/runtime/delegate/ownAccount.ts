import type { Address } from "viem";

import type { AccountOrigin } from "../../chain/accountOrigin.ts";
import type { AccountDelegation } from "../../core/delegation.ts";
import { BaseError, type BaseErrorOptions } from "../../core/errors.ts";

/** An account of the payer's own, for an agent. */
export type OwnAccount = {
  readonly account: Address;
  readonly origin: AccountOrigin;
  /** Whether the account is on the chain. */
  readonly made: boolean;
  /** One for each limit of the policy. */
  readonly delegations: readonly AccountDelegation[];
};

/** The hand-over did not end, and what was signed by then stands: whoever reads this is to be told how to stop it. */
export class UnfinishedAccountError extends BaseError {
  override readonly name = "UnfinishedAccountError";
  readonly own: OwnAccount;
  /** Whether the folder is there by which the agent runs on the account. */
  readonly runs: boolean;

  constructor(words: string, own: OwnAccount, runs: boolean, options: BaseErrorOptions) {
    super(words, { ...options, facts: { account: own.account } });
    this.own = own;
    this.runs = runs;
  }
}
