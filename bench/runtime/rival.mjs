// LangGraph.js with its SQLite checkpointer on the same work: one JSON argument, one JSON line on stdout.
//
// A decision is three steps, each on the disk before the next begins: what the model said, what was decided (with its hash), what is
// sent (an operation as large as ours). It signs nothing, keeps no audit log, judges nothing and has no tree of decisions.
import { createHash, randomInt } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";

const { agents, bills, folder, packages } = JSON.parse(process.argv[2]);
const require = createRequire(path.join(packages, "langgraph.cjs"));
const Database = require("better-sqlite3");
const { Annotation, END, START, StateGraph } = require("@langchain/langgraph");
const { SqliteSaver } = require("@langchain/langgraph-checkpoint-sqlite");

const database = new Database(path.join(folder, "langgraph.db"));
const checkpointer = new SqliteSaver(database);
checkpointer.setup();
// The package leaves it to the build of SQLite, which is NORMAL with WAL: a power cut takes what was acknowledged.
database.pragma("synchronous = full");
const mode = database.pragma("journal_mode", { simple: true });
const level = database.pragma("synchronous", { simple: true });
if (mode !== "wal" || level !== 2) throw new Error(`The rival's disk is ${mode} ${level}.`);

const tokens = () => Array.from({ length: 24 }, () => randomInt(1, 1 << 20));
const sha256 = (text) => `0x${createHash("sha256").update(text).digest("hex")}`;
const graph = new StateGraph(
  Annotation.Root({
    trigger: Annotation(),
    inference: Annotation(),
    decision: Annotation(),
    sent: Annotation(),
  }),
)
  .addNode("infer", ({ trigger }) => ({
    inference: { promptTokens: tokens(), outputTokens: tokens(), text: trigger.text },
  }))
  .addNode("decide", ({ inference }) => ({
    decision: { action: inference.text, leaf: sha256(JSON.stringify(inference)) },
  }))
  .addNode("send", ({ decision }) => ({
    sent: {
      userOp: { callData: `0x${"00".repeat(228)}`, signature: `0x${"00".repeat(320)}` },
      leaf: decision.leaf,
    },
  }))
  .addEdge(START, "infer")
  .addEdge("infer", "decide")
  .addEdge("decide", "send")
  .addEdge("send", END)
  .compile({ checkpointer });

const started = performance.now();
await Promise.all(
  Array.from({ length: agents }, async (_, agent) => {
    for (let bill = 0; bill < bills; bill++) {
      const text = `Please pay ${bill + 1}.00 USDC to acme, reference INV-${agent}-${bill}.`;
      const end = await graph.invoke(
        { trigger: { id: `${agent}-${bill}`, text } },
        { configurable: { thread_id: `${agent}-${bill}` }, durability: "sync" },
      );
      if (!end.sent) throw new Error("A decision was not sent.");
    }
  }),
);
const seconds = (performance.now() - started) / 1000;
const checkpoints = database.prepare("select count(*) as count from checkpoints").get().count;
if (checkpoints < agents * bills * 3) throw new Error(`Only ${checkpoints} checkpoints were kept.`);
process.stdout.write(`${JSON.stringify({ decisionsPerSecond: (agents * bills) / seconds })}\n`);
