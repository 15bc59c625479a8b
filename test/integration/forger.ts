import { canonicalize } from "../../src/core/canonical.ts";
import { entryHash, genesisHash } from "../../src/core/entry.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { JournalDatabase } from "../../src/journal/openJournal.ts";
import type { House } from "../../src/runtime/house.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";

/** Every sentence about what is wrong, those of decisions with their number. */
export async function failuresOf(house: House): Promise<readonly string[]> {
  const verified = await verifyDecisions(house);
  return [
    ...verified.failures,
    ...verified.decisions.flatMap((check) => check.failures.map((why) => `${check.sequence}: ${why}`)),
  ];
}

/** Tables with rows of a decision, beside its own and its leaf. */
export const everyTable = ["output", "operation", "payment"] as const;

/** What whoever holds the journal's file can do to it; decisions are named by their position. */
export function forgerOf(journal: JournalDatabase, agent = "treasurer") {
  const idOf = (position: number) =>
    allDecisions(journal, agent).find((decision) => decision.position === position)!.id;

  function patch(position: number, step: string, change: (value: never) => unknown): void {
    const value = change(outputOf(journal, idOf(position), step) as never) as Json;
    journal.run("insert or replace into output values (?, ?, ?)", idOf(position), step, canonicalize(value));
  }

  /** Changes the audit log and makes its chain of hashes whole again, as whoever holds the file can. */
  function rewriteEntries(change: (entry: { kind: string; body: JsonObject }) => JsonObject | null): void {
    const entries = readEntries(journal);
    journal.run("delete from entry");
    let previousHash = genesisHash;
    let sequence = 0;
    for (const { agent, body, kind } of entries) {
      const kept = change({ kind, body });
      if (kept === null) continue;
      const entry = { sequence: ++sequence, agent, kind, body: kept, previousHash };
      previousHash = entryHash(entry);
      journal.run(
        "insert into entry values (?, ?, ?, ?, ?, ?)",
        sequence,
        agent,
        kind,
        canonicalize(kept),
        entry.previousHash,
        previousHash,
      );
    }
  }

  /** Rewrites the lines of one kind of one decision. */
  const rewriteLine = (position: number, kind: string, change: JsonObject) => {
    const id = idOf(position);
    rewriteEntries((entry) =>
      entry.kind === kind && entry.body["decision"] === id ? { ...entry.body, ...change } : entry.body,
    );
  };

  function setOutcome(position: number, outcome: string): void {
    patch(position, "record", () => ({ outcome }));
    journal.run(
      "update decision set snapshot = json_set(snapshot, '$.context.outcome', ?) where position = ?",
      outcome,
      position,
    );
    journal.run(
      "update payment set state = ? where decision = ?",
      outcome === "paid" ? "paid" : "void",
      idOf(position),
    );
    rewriteLine(position, "recorded", { outcome });
  }

  function forget(position: number, tables: readonly string[] = everyTable): void {
    const id = idOf(position);
    for (const table of tables) journal.run(`delete from ${table} where decision = ?`, id);
  }

  return { idOf, patch, rewriteEntries, rewriteLine, setOutcome, forget };
}
