import type { DatabaseSync, StatementSync } from "node:sqlite";

import type { JournalDatabase } from "./openJournal.ts";
import { compile, type Query, type Statement, type Value, type Values } from "./query.ts";

/** Runs statements on a SQLite handle; each is put into SQL and prepared once. */
export function statementsOf(database: DatabaseSync): Pick<JournalDatabase, "all" | "get" | "run"> {
  type Prepared = { readonly statement: StatementSync; bind(values: Values): Value[] };
  const built = new Map<Query, Prepared>();
  const given = new Map<string, StatementSync>();
  const prepare = (
    kind: Statement<unknown> | string,
    values: readonly Value[],
  ): readonly [StatementSync, readonly Value[]] => {
    if (typeof kind === "string") {
      let statement = given.get(kind);
      if (!statement) given.set(kind, (statement = database.prepare(kind)));
      return [statement, values];
    }
    const { query, values: named } = kind;
    let known = built.get(query);
    if (!known) {
      const { bind, sql } = compile(query, "sqlite");
      built.set(query, (known = { statement: database.prepare(sql), bind }));
    }
    return [known.statement, known.bind(named)];
  };
  return {
    all<Given>(kind: Statement<Given> | string, ...values: readonly Value[]) {
      const [statement, bound] = prepare(kind, values);
      return statement.all(...bound) as unknown as readonly Given[];
    },
    get<Given>(kind: Statement<Given> | string, ...values: readonly Value[]) {
      const [statement, bound] = prepare(kind, values);
      return statement.get(...bound) as unknown as Given | undefined;
    },
    run(kind, ...values) {
      const [statement, bound] = prepare(kind, values);
      statement.run(...bound);
    },
  };
}
