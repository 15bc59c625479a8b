import type { Address, Hex } from "viem";

import type { Grant, GrantUnits } from "./grant.ts";
import type { Claim } from "./window.ts";

/** A grant as the law meets it: a `CompiledLimit` is one. */
export type NamedGrant = {
  readonly grant: Grant;
  readonly units: GrantUnits;
  readonly policyId: Hex;
};

/** An approver's co-signature as it is sent. `signatureLength` is in bytes: 64, or 0 if it was recorded before. */
export type SentApproval = {
  readonly approver: Address;
  /** Siblings from the approver up to the grant's approvers. */
  readonly path: readonly Hex[];
  readonly nonce: bigint;
  readonly deadline: bigint;
  readonly signatureLength: bigint;
};

/** What an operation asks for, its calls and its signature read: twin of `Request` in SpendPolicy.sol, and of what kind 4 adds. */
export type Request = NamedGrant & {
  readonly claim: Claim;
  readonly treeSize: bigint;
  /** Required prefund in wei; zero if a paymaster pays. */
  readonly feeWei: bigint;
  /** Base units of the grant's asset, all calls together. */
  readonly amountUnits: bigint;
  /** Of each call who is paid, may pull, or is called. Empty: an operation without calls. */
  readonly touched: readonly Address[];
  /** Signature of kind 4: the extras hold, and who is touched is looked at first. */
  readonly ruled: boolean;
  /** Length of the owner's `Install` in bytes, if the grant is to be made now. */
  readonly installs: bigint | null;
  readonly approval: SentApproval | null;
  /** keccak256 of the callData. */
  readonly callHash: Hex;
  /** Low 160 bits of the nonce key: where the agent's address has to stand. */
  readonly lane: Address;
};

/** What the chain knows when it judges. Functions, because the policy that an operation names may be any. */
export type LawState = {
  readonly account: Address;
  /** Besides the account, what no agent may pay or call: the EntryPoint, the DecisionLog, the module. Lower case. */
  readonly ownParts: readonly Address[];
  readonly epoch: bigint;
  readonly frozen: boolean;
  /** When the owner was last heard of, unix seconds. */
  readonly heartbeat: bigint;
  counters(policyId: Hex): bigint;
  operations(policyId: Hex): bigint;
  /** Word of the cap over all agents for an asset (lower case); zero: none. */
  cap(asset: Address): bigint;
  approval(hash: Hex): "none" | "recorded" | "used";
  /** The policy for which an earlier operation of the same bundle has the same callData. */
  noted(callHash: Hex): Hex | null;
};
