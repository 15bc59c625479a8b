// One connection to Postgres in a thread of its own, so that whoever asks can wait for the answer without giving up its turn.
import { createRequire } from "node:module";
import { join } from "node:path";
import { workerData } from "node:worker_threads";

const { packages, port, settled, socket } = workerData;
const { Client, types } = createRequire(join(packages, "pg", "package.json"))("pg");
// Whole numbers of 64 bits come as text otherwise; the journal's are below 2^53.
types.setTypeParser(types.builtins.INT8, Number);

const client = new Client({ host: socket, user: "bursar", database: "postgres" });
await client.connect();
port.on("message", async (question) => {
  let answer;
  try {
    answer =
      question === "end" ? { rows: await client.end() } : { rows: (await client.query(question)).rows };
  } catch (error) {
    answer = { error: { message: error.message, code: error.code, constraint: error.constraint } };
  }
  port.postMessage(answer);
  Atomics.store(settled, 0, 1);
  Atomics.notify(settled, 0);
  if (question === "end") port.close();
});
