import {
  createQueryId,
  DummyDriver,
  Kysely,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type RawBuilder,
  type RootOperationNode,
} from "kysely";

import type { Tables } from "./tables.ts";

/** The stores whose SQL is spoken. */
export type Dialect = "sqlite" | "postgres";
export type Value = string | number | null;
export type Values = Readonly<Record<string, Value>>;

/** The shape of one statement, in no dialect yet. Made once, so that a store can keep what it prepared for it. */
export type Query = { readonly node: RootOperationNode };

declare const row: unique symbol;
/** A statement with its values; `Row` is what it gives. */
export type Statement<Row> = { readonly query: Query; readonly values: Values; readonly [row]?: Row };

/** Builds statements and runs none: what is built goes through the journal's own synchronous driver. */
export const builder = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

const named = Symbol("name of a value");
type Placeholder = { readonly [named]: string };

/** Stands where values will be: Kysely hands it through as the statement's parameter. */
const placeholdersFor = (values: Values): unknown =>
  Object.fromEntries(Object.keys(values).map((name): [string, Placeholder] => [name, { [named]: name }]));

/**
 * A statement with room for values, built by Kysely at its first use and never again:
 *
 *     const decisionAt = query((tables, { position }: { position: number }) =>
 *       tables.selectFrom("decision").selectAll().where("position", "=", position));
 *     database.get(decisionAt({ position: 1 }))?.agent
 *
 * `build` is given placeholders of the first values' names, so it must not look at them: what depends on a value is two statements.
 */
export function query<Given extends Values, Row>(
  build: (tables: Kysely<Tables>, values: Given) => Compilable<Row>,
): (...given: Values extends Given ? [] : [Given]) => Statement<Row> {
  let shape: Query | undefined;
  return (...[given]) => {
    const values: Values = given ?? {};
    shape ??= { node: nodeOf(build(builder, placeholdersFor(values) as Given)) };
    return { query: shape, values };
  };
}

/** A statement without room for values, such as one that makes a table. */
export const statementOf = (built: Compilable<unknown> | RawBuilder<unknown>): Statement<unknown> => ({
  query: { node: nodeOf(built) },
  values: {},
});

/** Whatever Kysely builds has this, though not every type of it says so. */
const nodeOf = (built: Compilable<unknown> | RawBuilder<unknown>): RootOperationNode =>
  (built as unknown as { toOperationNode(): RootOperationNode }).toOperationNode();

export type Compiled = {
  readonly sql: string;
  /** The values in the order in which the statement wants them. */
  bind(values: Values): Value[];
};

/** A statement in a store's words. */
export function compile({ node }: Query, dialect: Dialect): Compiled {
  const compiler = dialect === "sqlite" ? new SqliteQueryCompiler() : new PostgresQueryCompiler();
  const { parameters, sql } = compiler.compileQuery(node, createQueryId());
  return {
    sql,
    bind: (values) =>
      parameters.map((parameter) => {
        if (!isPlaceholder(parameter)) return parameter as Value;
        const value = values[parameter[named]];
        if (value === undefined) throw new Error(`The statement wants a value for "${parameter[named]}".`);
        return value;
      }),
  };
}

const isPlaceholder = (value: unknown): value is Placeholder =>
  typeof value === "object" && value !== null && named in value;
