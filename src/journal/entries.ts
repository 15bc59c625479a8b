import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import { entryHash, genesisHash, type Entry } from "../core/entry.ts";
import type { JsonObject } from "../core/json.ts";
import { JournalBrokenError } from "./errors.ts";
import type { JournalDatabase, Row } from "./openJournal.ts";

type Reads = Pick<JournalDatabase, "all">;

/** Appends one Entry to the hash chain. Call it inside `atomically`. */
export function appendEntry(database: JournalDatabase, agent: string, kind: string, body: JsonObject): Entry {
  const last = database.get("select sequence, hash from entry order by sequence desc limit 1");
  const entry = {
    sequence: last ? Number(last["sequence"]) + 1 : 1,
    agent,
    kind,
    body,
    previousHash: last ? (last["hash"] as Hex) : genesisHash,
  };
  const hash = entryHash(entry);
  database.run(
    "insert into entry values (?, ?, ?, ?, ?, ?)",
    entry.sequence,
    agent,
    kind,
    canonicalize(body),
    entry.previousHash,
    hash,
  );
  return { ...entry, hash };
}

const toEntry = (row: Row): Entry => ({
  sequence: Number(row["sequence"]),
  agent: String(row["agent"]),
  kind: String(row["kind"]),
  body: bodyOf(row),
  previousHash: row["previous_hash"] as Hex,
  hash: row["hash"] as Hex,
});

function bodyOf(row: Row): JsonObject {
  try {
    return parseCanonical(String(row["body"])) as JsonObject;
  } catch {
    throw new JournalBrokenError(Number(row["sequence"]), "its body is not in the form it was written in");
  }
}

/** Entries in order, from `after` (exclusive). */
export function readEntries(database: Reads, after = 0, limit = 1000): readonly Entry[] {
  return database
    .all("select * from entry where sequence > ? order by sequence limit ?", after, limit)
    .map(toEntry);
}

/**
 * Recomputes the whole hash chain.
 *
 * @returns how many entries were checked, and the hash of the last one.
 * @throws JournalBrokenError at the first entry that does not fit.
 */
export function verifyEntries(database: Reads): { readonly entries: number; readonly head: Hex } {
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
    if (database.get("select 1 as one from meta where key = ?", `note:${agent}:${key}`)) return false;
    database.run("insert into meta values (?, '')", `note:${agent}:${key}`);
    appendEntry(database, agent, kind, body);
    return true;
  });
}
