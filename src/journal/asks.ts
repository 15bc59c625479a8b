import type { Hex } from "viem";

import type { Approved, Ask, AskState, Consent } from "../core/approval.ts";
import { consentFact } from "../core/approval.ts";
import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import type { Fact } from "../core/observation.ts";
import { appendEntry } from "./entries.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";
import { putTrigger, triggerOf } from "./triggers.ts";
import { decisionOf } from "./decisions.ts";

/** An ask as the journal holds it. */
export type AskRow = {
  readonly ask: Ask;
  readonly state: AskState;
  /** Unix milliseconds at which it was answered; null: it was not. */
  readonly answeredAtMs: number | null;
  /** How the answer came: `cli`, `walletconnect`. */
  readonly channel: string | null;
};

const insertAsk = query((tables, row: Tables["ask"]) => tables.insertInto("ask").values(row));
const askAt = query((tables, { leaf }: { leaf: Hex }) =>
  tables.selectFrom("ask").selectAll().where("leaf", "=", leaf),
);
const asksInOrder = query((tables) =>
  tables.selectFrom("ask").selectAll().orderBy("deadline").orderBy("leaf"),
);
const askOfDecision = query((tables, { decision }: { decision: string }) =>
  tables.selectFrom("ask").selectAll().where("decision", "=", decision),
);
const answer = query(
  (tables, { channel, leaf, at, state }: { leaf: Hex; state: AskState; channel: string; at: number }) =>
    tables
      .updateTable("ask")
      .set({ state, channel, answered_at_ms: at })
      .where("leaf", "=", leaf)
      .where("state", "=", "open"),
);

const toRow = (row: Tables["ask"]): AskRow => ({
  ask: parseCanonical(row.body) as unknown as Ask,
  state: row.state,
  answeredAtMs: row.answered_at_ms,
  channel: row.channel,
});

/** Keeps what a decision asks. Call it inside `atomically`, with the decision's seal. */
export function putAsk(database: JournalDatabase, ask: Ask): void {
  database.run(
    insertAsk({
      leaf: ask.leaf,
      agent: ask.agent,
      decision: ask.decision,
      deadline: ask.deadline,
      body: canonicalize(ask),
      state: "open",
      channel: null,
      answered_at_ms: null,
    }),
  );
}

type Reader = Pick<JournalDatabase, "get" | "all">;

export function askOfLeaf(database: Pick<Reader, "get">, leaf: Hex): AskRow | undefined {
  const row = database.get(askAt({ leaf }));
  return row && toRow(row);
}

/** What a decision asked; undefined: nothing. */
export function askOfDecisionId(database: Pick<Reader, "get">, decision: string): AskRow | undefined {
  const row = database.get(askOfDecision({ decision }));
  return row && toRow(row);
}

/** All asks, the most pressing first. */
export const asksIn = (database: Pick<Reader, "all">): readonly AskRow[] =>
  database.all(asksInOrder()).map(toRow);

/** What was answered, by whom and how. */
export type AskAnswer = { readonly leaf: Hex; readonly channel: string; readonly atMs: number } & (
  ({ readonly state: "approved" } & Approved) | { readonly state: "declined" }
);

/**
 * Takes the first answer to an ask; every further one is harmless. A yes wakes the agent again with what woke it before, and with the
 * yes beside it, all in one transaction.
 *
 * @returns whether it was the first
 */
export function answerAsk(database: JournalDatabase, given: AskAnswer): boolean {
  return database.atomically(() => {
    const row = askOfLeaf(database, given.leaf);
    if (row?.state !== "open") return false;
    const { ask } = row;
    const { atMs: at, channel, leaf, state } = given;
    database.run(answer({ leaf, state, channel, at }));
    const told = state === "approved" ? { approver: given.approver.toLowerCase() } : {};
    appendEntry(database, ask.agent, state, { ask: leaf, channel, ...told });
    if (state === "approved") wakeAgain(database, ask, given);
    return true;
  });
}

/**
 * Closes every ask of a journal that was restored: the lost one may have had the yes, and paid. Where the chain wants no co-signature it
 * could not tell. What is still wanted is asked again when it comes again. Call it inside `atomically`.
 */
export function closeAsks(database: JournalDatabase): void {
  for (const { ask, state } of asksIn(database)) {
    if (state !== "open") continue;
    database.run(answer({ leaf: ask.leaf, state: "declined", channel: "restored", at: 0 }));
    appendEntry(database, ask.agent, "declined", { ask: ask.leaf, channel: "restored" });
  }
}

function wakeAgain(database: JournalDatabase, ask: Ask, { approver, signature }: Approved): void {
  const { triggerId } = decisionOf(database, ask.decision);
  const trigger = triggerOf(database, ask.agent, triggerId);
  const consent: Consent = {
    ask: ask.leaf,
    policyId: ask.policyId,
    callHash: ask.callHash,
    nonce: ask.nonce,
    deadline: ask.deadline,
    agreed: ask.reasons.map(({ code }) => code),
    approver: approver.toLowerCase() as Hex,
    signature,
  };
  const fact: Fact = { value: consent, provenance: "history" };
  putTrigger(database, ask.agent, {
    ...trigger,
    dedupeId: `${triggerId}#approved:${ask.leaf}`,
    payload: {
      ...trigger.payload,
      facts: { ...(trigger.payload["facts"] as JsonObject | undefined), [consentFact]: fact },
    },
  });
}
