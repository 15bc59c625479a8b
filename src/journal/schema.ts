import { sql, type Compilable, type Kysely, type RawBuilder } from "kysely";

import { JournalOpenError } from "./errors.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { builder, query, statementOf, type Dialect } from "./query.ts";
import { version1 } from "./version1.ts";
import { version2 } from "./version2.ts";
import { version3 } from "./version3.ts";
import { version4 } from "./version4.ts";

/** What a store calls the types of the tables, and what else it wants to be told. */
export type Words = {
  readonly text: RawBuilder<unknown>;
  /** A whole number below 2^53. */
  readonly whole: RawBuilder<unknown>;
  /** How the declaration of a table ends; `keyed`: of one that is looked up by several columns. */
  readonly table: RawBuilder<unknown>;
  readonly keyed: RawBuilder<unknown>;
};

/** Text is compared byte by byte everywhere. SQLite takes values of any type unless it is told to be strict. */
const wordsOf: Record<Dialect, Words> = {
  sqlite: {
    text: sql`text`,
    whole: sql`integer`,
    table: sql`strict`,
    keyed: sql`strict, without rowid`,
  },
  postgres: { text: sql`text collate "C"`, whole: sql`bigint`, table: sql``, keyed: sql`` },
};

/** The statements that make one version of the schema of the one before. `unknown`: the tables of then, not those of now. */
export type Version = (
  tables: Kysely<unknown>,
  words: Words,
) => readonly (Compilable<unknown> | RawBuilder<unknown>)[];

/**
 * In order; one that was released never changes: what comes later is a version of its own. The first is an exception, because tables
 * were added to it: it makes what is not there, and is run on journals of its own version too.
 */
const versions: readonly Version[] = [version1, version2, version3, version4];

/** The schema's version, kept in `meta`. */
export const schemaVersion = versions.length;

const storedVersion = query((tables) =>
  tables.selectFrom("meta").select("value").where("key", "=", "schema"),
);
const keepVersion = query((tables, { value }: { value: string }) =>
  tables
    .insertInto("meta")
    .values({ key: "schema", value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value })),
);

/** What a journal says its schema's version is; undefined: nothing. */
export const versionOf = (database: Pick<JournalDatabase, "get">): string | undefined =>
  database.get(storedVersion())?.value;

export const isKnown = (version: string): boolean =>
  /^[1-9]\d*$/.test(version) && Number(version) <= schemaVersion;

/**
 * Brings an empty journal, or one of an older version of this program, to the newest schema, in one transaction. No copy is made
 * first: it happens as a whole or not at all.
 *
 * @param target stops at an older version; for tests
 * @throws JournalOpenError for any other version, which is never guessed at
 */
export function migrate(
  database: Pick<JournalDatabase, "path" | "get" | "run" | "atomically">,
  dialect: Dialect,
  target = schemaVersion,
): void {
  const tables = builder as unknown as Kysely<unknown>;
  const words = wordsOf[dialect];
  database.atomically(() => {
    database.run(
      statementOf(
        tables.schema
          .createTable("meta")
          .ifNotExists()
          .addColumn("key", words.text, (column) => column.primaryKey())
          .addColumn("value", words.text, (column) => column.notNull())
          .modifyEnd(words.table),
      ),
    );
    const stored = versionOf(database);
    if (stored !== undefined && !isKnown(stored))
      throw new JournalOpenError(`The journal has schema ${stored}, this program writes ${schemaVersion}.`, {
        facts: { journal: database.path },
        remedy: "Use the version of Bursar that wrote it.",
      });
    const from = Number(stored ?? 0);
    for (const [index, version] of versions.slice(0, target).entries()) {
      if (index + 1 <= from && !(index === 0 && from === 1)) continue;
      for (const statement of version(tables, words)) database.run(statementOf(statement));
    }
    if (from < target) database.run(keepVersion({ value: String(target) }));
  });
}
