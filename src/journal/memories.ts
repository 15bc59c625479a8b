import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { Memory } from "../core/memory.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

const memoriesInOrder = query((tables, { agent }: { agent: string }) =>
  tables
    .selectFrom("memory")
    .select(["name", "value", "provenance", "digest"])
    .where("agent", "=", agent)
    .orderBy("position"),
);
const deleteMemories = query((tables, { agent }: { agent: string }) =>
  tables.deleteFrom("memory").where("agent", "=", agent),
);
const insertMemory = query((tables, row: Tables["memory"]) => tables.insertInto("memory").values(row));

/** What an agent remembers, the oldest first. */
export const memoriesIn = (database: JournalDatabase, agent: string): readonly Memory[] =>
  database.all(memoriesInOrder({ agent })).map((row) => ({ ...row, value: parseCanonical(row.value) }));

/** Replaces what an agent remembers. Call it inside `atomically`, with the decision that it comes from. */
export function keepMemories(database: JournalDatabase, agent: string, memories: readonly Memory[]): void {
  database.run(deleteMemories({ agent }));
  for (const [position, { digest, name, provenance, value }] of memories.entries())
    database.run(insertMemory({ agent, name, position, value: canonicalize(value), provenance, digest }));
}
