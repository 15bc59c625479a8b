import { sql } from "kysely";
import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import { entryHash, entryHashOf, genesisHash, type Entry } from "../core/entry.ts";
import type { JsonObject } from "../core/json.ts";
import { JournalBrokenError } from "./errors.ts";
import { addNote, hasNote } from "./notes.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

type Reads = Pick<JournalDatabase, "all">;

/** One is written into the statement: a value would cost more than the search. */
const lastEntry = query((tables) =>
  tables.selectFrom("entry").select(["sequence", "hash"]).orderBy("sequence", "desc").limit(sql.lit(1)),
);
const insertEntry = query((tables, row: Tables["entry"]) => tables.insertInto("entry").values(row));
const entriesAfter = query((tables, { after, limit }: { after: number; limit: number }) =>
  tables.selectFrom("entry").selectAll().where("sequence", ">", after).orderBy("sequence").limit(limit),
);

/** Number of the last Entry; 0: there is none. */
export const newestSequence = (database: JournalDatabase): number => database.get(lastEntry())?.sequence ?? 0;

/** Appends one Entry to the hash chain. Call it inside `atomically`. */
export function appendEntry(database: JournalDatabase, agent: string, kind: string, body: JsonObject): Entry {
  const last = database.get(lastEntry());
  const head = {
    sequence: last ? last.sequence + 1 : 1,
    agent,
    kind,
    previousHash: last ? last.hash : genesisHash,
  };
  const text = canonicalize(body);
  const hash = entryHashOf(head, text);
  const { previousHash, sequence } = head;
  database.run(insertEntry({ sequence, agent, kind, body: text, previous_hash: previousHash, hash }));
  return { ...head, body, hash };
}

const toEntry = (row: Tables["entry"]): Entry => ({
  sequence: row.sequence,
  agent: row.agent,
  kind: row.kind,
  body: bodyOf(row),
  previousHash: row.previous_hash,
  hash: row.hash,
});

function bodyOf({ body, sequence }: Tables["entry"]): JsonObject {
  try {
    return parseCanonical(body) as JsonObject;
  } catch {
    throw new JournalBrokenError(sequence, "its body is not in the form it was written in");
  }
}

/** Entries in order, from `after` (exclusive). */
export function readEntries(database: Reads, after = 0, limit = 1000): readonly Entry[] {
  return database.all(entriesAfter({ after, limit })).map(toEntry);
}

/**
 * Recomputes the whole hash chain.
 *
 * @param read called with each entry that holds
 * @returns how many entries were checked, and the hash of the last one.
 * @throws JournalBrokenError at the first entry that does not fit.
 */
export function verifyEntries(
  database: Reads,
  read: (entry: Entry) => void = () => undefined,
): { readonly entries: number; readonly head: Hex } {
  let head = genesisHash;
  let count = 0;
  for (;;) {
    const page = readEntries(database, count);
    if (page.length === 0) return { entries: count, head };
    for (const entry of page) {
      if (entry.sequence !== count + 1)
        throw new JournalBrokenError(count + 1, `the next entry is ${entry.sequence}`);
      if (entry.previousHash !== head)
        throw new JournalBrokenError(entry.sequence, "it does not name the entry before it");
      if (entryHash(entry) !== entry.hash)
        throw new JournalBrokenError(entry.sequence, "its content does not match its hash");
      read(entry);
      head = entry.hash;
      count++;
    }
  }
}

/** Appends an Entry the first time `key` is noted, durably. Returns false when it was noted before. */
export function noteOnce(
  database: JournalDatabase,
  agent: string,
  key: string,
  kind: string,
  body: JsonObject,
): boolean {
  return database.atomically(() => {
    if (hasNote(database, `note:${agent}:${key}`)) return false;
    addNote(database, `note:${agent}:${key}`);
    appendEntry(database, agent, kind, body);
    return true;
  });
}
