import type { Address, Hex } from "viem";

import type { JsonObject } from "./json.ts";

/**
 * How a person delegates, the first that his wallet and what is wanted allow: `erc7715` his wallet's own permissions · `spendGrant` a
 * signed grant and an ERC-20 allowance · `account` an AgentAccount of his own, whose policy he signs.
 */
export const rungs = ["erc7715", "spendGrant", "account"] as const;
export type Rung = (typeof rungs)[number];

/**
 * `asked`: put before the wallet. `inForce`: seen on the chain; of an account of the payer's own, signed, for the agent's first operation to bring. `paused`: its session is over, or it was cut off on its way into force, so the
 * agent leaves it alone; on the chain it still is what it was. `ended`: seen to be over on the chain, or given up here.
 */
export type DelegationState = "asked" | "inForce" | "paused" | "ended";

/** Which of a payer's allowances is used. */
export type AllowanceSource = "token" | "permit2";

type AnyDelegation = {
  /** Its name on the chain: the EIP-712 hash of a grant; the hash by which its manager knows a wallet's permission. */
  readonly id: Hex;
  readonly agent: string;
  /** Why this rung and none before it. */
  readonly why: string;
  readonly chainId: number;
  /** The contract that enforces it. */
  readonly contract: Address;
  /** Whose money it is. */
  readonly account: Address;
  readonly token: { readonly symbol: string; readonly address: Address; readonly decimals: number };
  /** What was signed, amounts as decimal text; of a wallet's permission, the bytes as well. */
  readonly grant: JsonObject;
  /** Of the session that it came by. */
  readonly topic: string;
};

/** Money that is taken out of the payer's own plain account. */
export type GrantDelegation = AnyDelegation & {
  readonly rung: "erc7715" | "spendGrant";
  readonly source: AllowanceSource;
};

/** One limit of the policy of an AgentAccount that the payer owns, which is the contract: what he puts into it is what can be spent. */
export type AccountDelegation = AnyDelegation & {
  readonly rung: "account";
  /** What makes the account, beside its owner. 32 bytes. */
  readonly salt: Hex;
};

/** Who granted what to which agent key, and until when. */
export type Delegation = GrantDelegation | AccountDelegation;
