import type { Hex } from "viem";

import type { AskState } from "../core/approval.ts";
import type { DelegationState } from "../core/delegation.ts";
import type { Memory } from "../core/memory.ts";
import type { TriggerKind } from "../core/trigger.ts";

/**
 * The journal's tables as the newest schema has them (`schema.ts`). Portable types only: text, and whole numbers below 2^53. JSON is
 * text, amounts are decimal text, a flag is 0 or 1.
 */
export type Tables = {
  /** The schema's version, and notes that must outlive a restart. */
  readonly meta: { readonly key: string; readonly value: string };

  /** The audit log: hash-chained, append-only. */
  readonly entry: {
    readonly sequence: number;
    readonly agent: string;
    readonly kind: string;
    readonly body: string;
    readonly previous_hash: Hex;
    readonly hash: Hex;
  };

  /** The inbox: each happening once, whatever restarts in between. */
  readonly trigger_: {
    readonly dedupe_id: string;
    readonly position: number;
    readonly agent: string;
    readonly kind: TriggerKind;
    readonly label: string;
    readonly payload: string;
    readonly decision: string | null;
    /** Unix milliseconds before which no decision is made of it; 0: at once. */
    readonly not_before: number;
  };

  /** How far each source of triggers has been read: unix seconds, or a block. */
  readonly cursor_: { readonly agent: string; readonly source: string; readonly position: number };

  /** What each agent remembers, as the last decision left it. */
  readonly memory: {
    readonly agent: string;
    readonly name: string;
    readonly position: number;
    readonly value: string;
    readonly provenance: Memory["provenance"];
    readonly digest: Hex;
  };

  /** The life of one decision: a machine's snapshot and nothing else. */
  readonly decision: {
    readonly id: string;
    readonly agent: string;
    readonly trigger_id: string;
    readonly position: number;
    readonly machine: string;
    readonly snapshot: string;
    readonly done: number;
  };

  /** What each step handed on. */
  readonly output: { readonly decision: string; readonly step: string; readonly value: string };

  /** Effects that have begun and have no recorded result: run again after a crash, so each is safe to repeat. */
  readonly effect: { readonly decision: string; readonly id: string; readonly source: string };

  /** The decision tree of each agent key, in order. */
  readonly leaf: {
    readonly agent: string;
    readonly position: number;
    readonly decision: string;
    readonly leaf: Hex;
  };

  /** Signed operations, kept before they are sent. One live operation a nonce lane: the index is the guard. */
  readonly operation: {
    readonly user_op_hash: Hex;
    readonly decision: string;
    readonly lane: string;
    readonly nonce: Hex;
    readonly body: string;
    readonly state: "signed" | "sent" | "settled" | "expired";
  };

  /** The same operation again for more gas, kept before it is sent. Only ever of one decision, in its lane, at its nonce. */
  readonly sibling: {
    readonly user_op_hash: Hex;
    readonly decision: string;
    readonly position: number;
    readonly lane: string;
    readonly nonce: Hex;
    readonly body: string;
  };

  /** Bills that were paid or are being paid: one bill is never paid twice. `void`: it reverted or expired. */
  readonly payment: {
    readonly decision: string;
    readonly agent: string;
    readonly payee: string;
    readonly reference: string;
    readonly references_: string;
    /** Unix seconds. */
    readonly at: number;
    readonly asset: string;
    readonly amount_units: string;
    readonly words: string;
    readonly state: "pending" | "paid" | "void";
    /** Lower case; empty for an action that is no transfer, null in a row of an earlier version. */
    readonly payee_address: string | null;
  };

  /** What decisions ask of people, by the leaf of the decision. The first answer counts. */
  readonly ask: {
    readonly leaf: Hex;
    readonly agent: string;
    readonly decision: string;
    /** Unix seconds, by the chain's clock. */
    readonly deadline: number;
    readonly body: string;
    readonly state: AskState;
    readonly channel: string | null;
    readonly answered_at_ms: number | null;
  };

  /** What WalletConnect keeps: keys and sessions, each sealed (`sealedValues.ts`). */
  readonly link_value: { readonly name: string; readonly value: string };

  /** Requests to wallets, written down before they are sent; `outcome` is sealed, null until something came back. */
  readonly link_request: {
    readonly id: string;
    readonly wire_id: number;
    readonly topic: string;
    readonly chain_id: number;
    readonly method: string;
    readonly account: string | null;
    readonly digest: Hex;
    /** Unix seconds. */
    readonly expires_at: number;
    readonly published: number;
    readonly outcome: string | null;
  };

  /** Who delegated what to which agent, by the grant's name on the chain. */
  readonly delegation: {
    readonly id: Hex;
    readonly agent: string;
    readonly position: number;
    readonly state: DelegationState;
    readonly body: string;
  };
};
