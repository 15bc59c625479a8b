import type { Hex } from "viem";

import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Memory } from "../core/memory.ts";
import type { JournalDatabase } from "./openJournal.ts";

/** What an agent remembers, the oldest first. */
export const memoriesIn = (database: JournalDatabase, agent: string): readonly Memory[] =>
  database
    .all("select name, value, provenance, digest from memory where agent = ? order by position", agent)
    .map((row) => ({
      name: String(row["name"]),
      value: parseCanonical(String(row["value"])),
      provenance: row["provenance"] as Memory["provenance"],
      digest: row["digest"] as Hex,
    }));

/** Replaces what an agent remembers. Call it inside `atomically`, with the decision that it comes from. */
export function keepMemories(database: JournalDatabase, agent: string, memories: readonly Memory[]): void {
  database.run("delete from memory where agent = ?", agent);
  for (const [position, { digest, name, provenance, value }] of memories.entries())
    database.run(
      "insert into memory values (?, ?, ?, ?, ?, ?)",
      agent,
      name,
      position,
      canonicalize(value),
      provenance,
      digest,
    );
}
