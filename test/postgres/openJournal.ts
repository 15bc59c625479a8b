import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";

import type { JournalDatabase } from "../../src/journal/openJournal.ts";
import { compile, type Query, type Statement, type Value } from "../../src/journal/query.ts";
import { migrate } from "../../src/journal/schema.ts";
import type { Postgres } from "./startPostgres.ts";

type Answer =
  | { readonly rows: readonly unknown[] }
  | { readonly error: { readonly message: string; readonly code?: string; readonly constraint?: string } };

/** Longest that Postgres may take for one statement. */
const patienceMs = 20_000;

/**
 * The journal on a Postgres: the same tables, the same statements and the same functions over them, through one connection whose
 * answers are waited for in place. To test that the schema runs there; whoever wants to run an agent on it wants an asynchronous one.
 */
export function openPostgresJournal({ packages, socket }: Postgres): JournalDatabase {
  const { port1, port2 } = new MessageChannel();
  const settled = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./connection.mjs", import.meta.url), {
    workerData: { packages, socket, port: port2, settled },
    transferList: [port2],
  });
  worker.unref();
  const ask = (question: unknown): readonly unknown[] => {
    Atomics.store(settled, 0, 0);
    port1.postMessage(question);
    if (Atomics.wait(settled, 0, 0, patienceMs) === "timed-out") throw new Error("Postgres does not answer.");
    const { message } = receiveMessageOnPort(port1) as { message: Answer };
    if ("error" in message) throw Object.assign(new Error(message.error.message), message.error);
    return message.rows;
  };
  const compiled = new Map<Query, ReturnType<typeof compile>>();
  const query = (statement: Statement<unknown> | string, values: readonly Value[]): readonly unknown[] => {
    if (typeof statement === "string") return ask({ text: statement, values });
    let known = compiled.get(statement.query);
    if (!known) compiled.set(statement.query, (known = compile(statement.query, "postgres")));
    return ask({ text: known.sql, values: known.bind(statement.values) });
  };
  const journal: JournalDatabase = {
    path: `${socket}/postgres`,
    all: (statement, ...values) => query(statement, values) as never,
    get: (statement, ...values) => query(statement, values)[0] as never,
    run: (statement, ...values) => void query(statement, values),
    atomically(work) {
      ask("begin");
      try {
        const result = work();
        ask("commit");
        return result;
      } catch (error) {
        ask("rollback");
        throw error;
      }
    },
    together: (work) => Promise.resolve().then(() => journal.atomically(work)),
    close: () => void ask("end"),
  };
  migrate(journal, "postgres");
  return journal;
}
