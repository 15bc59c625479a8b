// Opens the engine, says what a process that holds keys must know about it, and stays until it is killed.
import { readFileSync } from "node:fs";
import { openEngine } from "../../../src/inference/openEngine.ts";

const engine = await openEngine(JSON.parse(process.argv[2]));
if (process.argv[3]) void engine.infer(JSON.parse(process.argv[3]), { kind: "greedy" });
const native = /lib(llama|ggml)|llama-addon/.test(readFileSync("/proc/self/maps", "utf8"));
process.stdout.write(`${JSON.stringify({ native })}\n`);
// `leave`: ends without closing. `close`: with.
if (process.argv[4] === "close") await engine.close();
else if (process.argv[4] !== "leave") setInterval(() => {}, 1000);
