import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { AllowanceSource, Delegation, DelegationState } from "../core/delegation.ts";
import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

/** A delegation as the journal holds it. */
export type DelegationRow = { readonly delegation: Delegation; readonly state: DelegationState };

const insertDelegation = query((tables, row: Tables["delegation"]) =>
  tables.insertInto("delegation").values(row),
);
const delegationAt = query((tables, { id }: { id: Hex }) =>
  tables.selectFrom("delegation").selectAll().where("id", "=", id),
);
const delegationsInOrder = query((tables) => tables.selectFrom("delegation").selectAll().orderBy("position"));
const lastPosition = query((tables) =>
  tables.selectFrom("delegation").select(({ fn }) => fn.max<number | null>("position").as("position")),
);
const updateDelegation = query(
  (tables, { body, id, state }: Pick<Tables["delegation"], "id" | "state" | "body">) =>
    tables.updateTable("delegation").set({ state, body }).where("id", "=", id),
);

const toRow = ({ body, state }: Tables["delegation"]): DelegationRow => ({
  delegation: parseCanonical(body) as unknown as Delegation,
  state,
});

/** Writes down what is put before a wallet, before it is. */
export function putDelegation(database: JournalDatabase, delegation: Delegation): void {
  database.atomically(() => {
    const position = (database.get(lastPosition())?.position ?? 0) + 1;
    const { agent, id } = delegation;
    database.run(insertDelegation({ id, agent, position, state: "asked", body: canonicalize(delegation) }));
    appendEntry(database, agent, "delegation", told(delegation, "asked"));
  });
}

/**
 * Says what became of a delegation. What is over stays over.
 *
 * @param source the allowance that it turned out to use
 * @returns whether anything changed
 */
export function setDelegationState(
  database: JournalDatabase,
  id: Hex,
  state: DelegationState,
  source?: AllowanceSource,
): boolean {
  return database.atomically(() => {
    const row = delegationOf(database, id);
    if (!row || row.state === "ended" || (row.state === state && source === undefined)) return false;
    writeState(database, row.delegation, state, source);
    return true;
  });
}

function writeState(
  database: JournalDatabase,
  before: Delegation,
  state: DelegationState,
  source?: AllowanceSource,
): void {
  const delegation = source === undefined || before.rung === "account" ? before : { ...before, source };
  const { agent, id } = delegation;
  database.run(updateDelegation({ id, state, body: canonicalize(delegation) }));
  appendEntry(database, agent, "delegation", told(delegation, state));
}

/**
 * Leaves every delegation of a journal that was restored alone: the lost one may have had its end, a wallet that disconnected, and no
 * wallet says that twice. Call it inside `atomically`.
 */
export function pauseDelegations(database: JournalDatabase): void {
  for (const { delegation, state } of delegationsIn(database))
    if (state === "inForce") writeState(database, delegation, "paused");
}

/** Writes down that a delegation is of another session now: nothing else of it changes. */
export function renewDelegation(database: JournalDatabase, delegation: Delegation): void {
  const { id } = delegation;
  const row = delegationOf(database, id);
  if (row) database.run(updateDelegation({ id, state: row.state, body: canonicalize(delegation) }));
}

const told = ({ account, id, rung }: Delegation, state: DelegationState) => ({
  delegation: id,
  state,
  rung,
  account: account.toLowerCase(),
});

export function delegationOf(database: Pick<JournalDatabase, "get">, id: Hex): DelegationRow | undefined {
  const row = database.get(delegationAt({ id }));
  return row && toRow(row);
}

/** Every delegation, the oldest first. */
export const delegationsIn = (database: Pick<JournalDatabase, "all">): readonly DelegationRow[] =>
  database.all(delegationsInOrder()).map(toRow);

/** Those that an agent may spend under now, the newest first. */
export const delegationsInForce = (
  database: Pick<JournalDatabase, "all">,
  agent: string,
): readonly Delegation[] =>
  delegationsIn(database)
    .filter(({ delegation, state }) => state === "inForce" && delegation.agent === agent)
    .map(({ delegation }) => delegation)
    .toReversed();
