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

export function setOperationState(database: JournalDatabase, userOpHash: Hex, state: OperationState): void {
  database.run("update operation set state = ? where user_op_hash = ?", state, userOpHash);
}

/** The highest nonce that was ever signed in a lane, the whole 256-bit number. */
export function lastNonce(database: JournalDatabase, lane: string): bigint | undefined {
  const nonces = database
    .all("select nonce from operation where lane = ?", lane)
    .map((row) => BigInt(String(row["nonce"])));
  return nonces.reduce<bigint | undefined>(
    (last, nonce) => (last === undefined || nonce > last ? nonce : last),
    undefined,
  );
}
