import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";

const noteAt = query((tables, { key }: { key: string }) =>
  tables.selectFrom("meta").select("value").where("key", "=", key),
);
const insertNote = query((tables, { key }: { key: string }) =>
  tables
    .insertInto("meta")
    .values({ key, value: "" })
    .onConflict((conflict) => conflict.column("key").doNothing()),
);
const keepNote = query((tables, { key, value }: { key: string; value: string }) =>
  tables
    .insertInto("meta")
    .values({ key, value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value })),
);
const deleteNote = query((tables, { key }: { key: string }) =>
  tables.deleteFrom("meta").where("key", "=", key),
);
const notesFrom = query((tables, { from, until }: { from: string; until: string }) =>
  tables.selectFrom("meta").selectAll().where("key", ">=", from).where("key", "<", until).orderBy("key"),
);

/** What a note says; undefined: there is none. */
export const noteOf = (database: Pick<JournalDatabase, "get">, key: string): string | undefined =>
  database.get(noteAt({ key }))?.value;

export const hasNote = (database: Pick<JournalDatabase, "get">, key: string): boolean =>
  noteOf(database, key) !== undefined;

/** Leaves a note that says nothing yet; one that is there stays as it is. */
export const addNote = (database: JournalDatabase, key: string): void => database.run(insertNote({ key }));

export const setNote = (database: JournalDatabase, key: string, value: string): void =>
  database.run(keepNote({ key, value }));

export const dropNote = (database: JournalDatabase, key: string): void => database.run(deleteNote({ key }));

/** All notes whose keys begin with `prefix`, in order, each with the rest of its key. */
export const notesUnder = (
  database: Pick<JournalDatabase, "all">,
  prefix: `${string}:`,
): readonly { readonly rest: string; readonly value: string }[] =>
  database
    // The semicolon is the character after the colon.
    .all(notesFrom({ from: prefix, until: `${prefix.slice(0, -1)};` }))
    .map(({ key, value }) => ({ rest: key.slice(prefix.length), value }));
