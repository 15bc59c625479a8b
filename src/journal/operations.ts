import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Operation } from "../core/operation.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

export type OperationRow = Tables["operation"];
export type OperationState = OperationRow["state"];

const insertOperation = query((tables, row: OperationRow) => tables.insertInto("operation").values(row));
const operationOfDecision = query((tables, { decision }: { decision: string }) =>
  tables.selectFrom("operation").selectAll().where("decision", "=", decision),
);
const everyOperation = query((tables) =>
  tables
    .selectFrom("operation")
    .select(["user_op_hash", "decision"])
    .unionAll(tables.selectFrom("sibling").select(["user_op_hash", "decision"])),
);
const operationByHash = query((tables, { user_op_hash }: Pick<OperationRow, "user_op_hash">) =>
  tables
    .selectFrom("operation")
    .select("decision")
    .where("user_op_hash", "=", user_op_hash)
    .unionAll(tables.selectFrom("sibling").select("decision").where("user_op_hash", "=", user_op_hash)),
);
const updateState = query((tables, { state, user_op_hash }: Pick<OperationRow, "state" | "user_op_hash">) =>
  tables.updateTable("operation").set({ state }).where("user_op_hash", "=", user_op_hash),
);
/**
 * A lane's nonces have one length as text, for a lane is their upper 192 bits and no agent's key is the address zero: so they are in
 * order as text, and these are answered by an index (`operation_lane`).
 */
const newestOfLane = query((tables, { lane }: { lane: string }) =>
  tables.selectFrom("operation").select("nonce").where("lane", "=", lane).orderBy("nonce", "desc").limit(1),
);
const newestSpentOfLane = query((tables, { lane }: { lane: string }) =>
  tables
    .selectFrom("operation")
    .select("nonce")
    .where("lane", "=", lane)
    .where("state", "<>", "expired")
    .orderBy("nonce", "desc")
    .limit(1),
);
const lanesOfAgent = query((tables, { agent }: { agent: string }) =>
  tables
    .selectFrom("decision")
    .innerJoin("operation", "operation.decision", "decision.id")
    .select("operation.lane")
    .distinct()
    .where("decision.agent", "=", agent)
    .orderBy("operation.lane"),
);
const newestSignerOfLane = query((tables, { lane }: { lane: string }) =>
  tables
    .selectFrom("operation")
    .innerJoin("decision", "decision.id", "operation.decision")
    .select("decision.agent")
    .where("operation.lane", "=", lane)
    .orderBy("operation.nonce", "desc")
    .limit(1),
);
const betweenInLane = query((tables, { from, lane, until }: { lane: string; from: Hex; until: Hex }) =>
  tables
    .selectFrom("operation")
    .select("decision")
    .where("lane", "=", lane)
    .where("nonce", ">=", from)
    .where("nonce", "<", until)
    .orderBy("nonce"),
);

const insertSibling = query((tables, row: Tables["sibling"]) => tables.insertInto("sibling").values(row));
const lastSibling = query((tables, { decision }: { decision: string }) =>
  tables
    .selectFrom("sibling")
    .select(({ fn }) => fn.max<number | null>("position").as("position"))
    .where("decision", "=", decision),
);
const siblingsOfDecision = query((tables, { decision }: { decision: string }) =>
  tables.selectFrom("sibling").select("body").where("decision", "=", decision).orderBy("position"),
);

/** Keeps a complete signed operation before its first byte leaves. The lane's unique index refuses a second live one. */
export function putOperation(
  database: JournalDatabase,
  decision: string,
  lane: string,
  operation: Operation,
): void {
  database.run(
    insertOperation({
      user_op_hash: operation.userOpHash,
      decision,
      lane,
      nonce: operation.userOp.nonce,
      body: canonicalize(operation),
      state: "signed",
    }),
  );
}

/** A decision's operation as the table holds it. */
export const operationRowOf = (
  database: Pick<JournalDatabase, "get">,
  decision: string,
): OperationRow | undefined => database.get(operationOfDecision({ decision }));

export function operationOf(database: JournalDatabase, decision: string): Operation | undefined {
  const row = operationRowOf(database, decision);
  return row && (parseCanonical(row.body) as unknown as Operation);
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
  database.run(
    insertSibling({
      user_op_hash: operation.userOpHash,
      decision,
      position: (database.get(lastSibling({ decision }))?.position ?? 0) + 1,
      lane,
      nonce: operation.userOp.nonce,
      body: canonicalize(operation),
    }),
  );
}

/** Everything that was signed for a decision: the operation and its fee bumps, oldest first. One of them at most is ever executed. */
export function operationsFor(database: JournalDatabase, decision: string): readonly Operation[] {
  const first = operationOf(database, decision);
  if (!first) return [];
  const bumps = database.all(siblingsOfDecision({ decision }));
  return [first, ...bumps.map(({ body }) => parseCanonical(body) as unknown as Operation)];
}

/** Every operation and every fee bump by its hash, and whose it is. */
export const operationsIn = (
  database: Pick<JournalDatabase, "all">,
): readonly Pick<OperationRow, "user_op_hash" | "decision">[] => database.all(everyOperation());

/** Was it signed for a decision of this journal? */
export const knowsOperation = (database: Pick<JournalDatabase, "get">, userOpHash: Hex): boolean =>
  database.get(operationByHash({ user_op_hash: userOpHash })) !== undefined;

export function setOperationState(database: JournalDatabase, userOpHash: Hex, state: OperationState): void {
  database.run(updateState({ state, user_op_hash: userOpHash }));
}

/** The nonce that follows what was signed in a lane: behind the last one that is spent or may be, and again that of one that expired. */
export function nextNonceIn(database: Pick<JournalDatabase, "get">, lane: string): bigint | undefined {
  const newest = database.get(newestOfLane({ lane }));
  if (!newest) return undefined;
  const spent = database.get(newestSpentOfLane({ lane }));
  const behind = spent === undefined ? 0n : BigInt(spent.nonce) + 1n;
  return behind > BigInt(newest.nonce) ? behind : BigInt(newest.nonce);
}

/** Lanes in which operations were signed for an agent's decisions, under whichever of its keys. */
export const lanesOf = (database: Pick<JournalDatabase, "all">, agent: string): readonly string[] =>
  database.all(lanesOfAgent({ agent })).map(({ lane }) => lane);

/** The name of the agent that a lane's newest operation was signed for; undefined: there is none. */
export const signerOfLane = (database: Pick<JournalDatabase, "get">, lane: string): string | undefined =>
  database.get(newestSignerOfLane({ lane }))?.agent;

/** Decisions whose operations have the nonces of a lane from `from` on and below `until`, lowest first. */
export const decisionsBetween = (
  database: Pick<JournalDatabase, "all">,
  lane: string,
  from: Hex,
  until: Hex,
): readonly string[] => database.all(betweenInLane({ lane, from, until })).map(({ decision }) => decision);
