import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Operation } from "../core/operation.ts";
import type { JournalDatabase } from "./openJournal.ts";

export type OperationState = "signed" | "sent" | "settled" | "expired";

/** Keeps a complete signed operation before its first byte leaves. The lane's unique index refuses a second live one. */
export function putOperation(
  database: JournalDatabase,
  decision: string,
  lane: string,
  operation: Operation,
): void {
  database.run(
    "insert into operation values (?, ?, ?, ?, ?, 'signed')",
    operation.userOpHash,
    decision,
    lane,
    operation.userOp.nonce,
    canonicalize(operation),
  );
}

export function operationOf(database: JournalDatabase, decision: string): Operation | undefined {
  const row = database.get("select body from operation where decision = ?", decision);
  return row && (parseCanonical(String(row["body"])) as unknown as Operation);
}

/**
 * Keeps a fee bump of a decision's operation before its first byte leaves: the same calls at the same nonce. The table refuses one
 * in another lane, at another nonce or of a decision that has no operation.
 */
export function putSibling(
  database: JournalDatabase,
  decision: string,
  lane: string,
  operation: Operation,
): void {
  const last = database.get("select max(position) as position from sibling where decision = ?", decision);
  database.run(
    "insert into sibling values (?, ?, ?, ?, ?, ?)",
    operation.userOpHash,
    decision,
    Number(last?.["position"] ?? 0) + 1,
    lane,
    operation.userOp.nonce,
    canonicalize(operation),
  );
}

/** Everything that was signed for a decision: the operation and its fee bumps, oldest first. One of them at most is ever executed. */
export function operationsFor(database: JournalDatabase, decision: string): readonly Operation[] {
  const first = operationOf(database, decision);
  if (!first) return [];
  const rows = database.all("select body from sibling where decision = ? order by position", decision);
  return [first, ...rows.map((row) => parseCanonical(String(row["body"])) as unknown as Operation)];
}

export function setOperationState(database: JournalDatabase, userOpHash: Hex, state: OperationState): void {
  database.run("update operation set state = ? where user_op_hash = ?", state, userOpHash);
}

/** What was signed in a lane, by decision: nonce (the whole 256-bit number) and state, lowest nonce first. */
export function noncesIn(
  database: JournalDatabase,
  lane: string,
): readonly { readonly decision: string; readonly nonce: bigint; readonly state: OperationState }[] {
  return database
    .all("select decision, nonce, state from operation where lane = ?", lane)
    .map((row) => ({
      decision: String(row["decision"]),
      nonce: BigInt(String(row["nonce"])),
      state: row["state"] as OperationState,
    }))
    .sort((one, other) => (one.nonce < other.nonce ? -1 : one.nonce > other.nonce ? 1 : 0));
}
