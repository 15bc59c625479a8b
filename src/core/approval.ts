import type { Address, Hex } from "viem";

import type { JsonObject } from "./json.ts";
import type { Reason } from "./verdict.ts";

/** Somebody by name, who may say yes to what an agent asks. */
export type Approver = { readonly name: string; readonly address: Address };

/** One call of what is asked, as JSON holds it: wei in decimal digits. */
export type AskedCall = { readonly to: Address; readonly valueWei: string; readonly data: Hex };

/**
 * What an agent asks a person before it acts: these calls, once, until a deadline. It holds no nonce and signs nothing; whoever says
 * yes signs EIP-712 `Approval` (contracts/interfaces/ISpendPolicy.sol) over exactly this.
 */
export type Ask = {
  /** Leaf of the decision that asks: the name of the ask, in records and on the chain. */
  readonly leaf: Hex;
  readonly decision: string;
  readonly agent: string;
  readonly chainId: number;
  readonly account: Address;
  readonly policyId: Hex;
  readonly calls: readonly AskedCall[];
  /** keccak256 of the operation's callData. */
  readonly callHash: Hex;
  /** 32 bytes: the id of the decision, so that a journal that was restored asks for the same single use. */
  readonly nonce: Hex;
  /** Last second at which the operation may run, unix time by the chain's clock, inclusive. */
  readonly deadline: number;
  readonly approvers: readonly Approver[];
  /** Why it is asked, each with its code. */
  readonly reasons: readonly Reason[];
  /** What it is, for people: `700.00 USDC to acme`. */
  readonly words: string;
  /** Label of the trigger that led to it. */
  readonly label: string;
};

/** open: nobody has said anything, which is no "no"; past its deadline nothing can come of it any more. */
export type AskState = "open" | "approved" | "declined";

/** What one of the approvers said yes with. `signature`: 64 bytes (EIP-2098); empty when it was recorded on the account. */
export type Approved = { readonly approver: Address; readonly signature: Hex };

/** The fact `approval` of an observation: the yes to an earlier decision's ask, with what it was said to. */
export type Consent = JsonObject &
  Approved & {
    readonly ask: Hex;
    readonly policyId: Hex;
    readonly callHash: Hex;
    readonly nonce: Hex;
    readonly deadline: number;
    /** Codes of the reasons for which it was asked; the ask has their words. */
    readonly agreed: readonly string[];
  };

/** Name of that fact, and of the one that says what the account has on record of it. */
export const consentFact = "approval";
export const consentStateFact = "approval.state";
