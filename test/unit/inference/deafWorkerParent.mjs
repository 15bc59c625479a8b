// Starts a process whose main thread never comes back, guarded by src/inference/watchParent.ts, and says its id.
import { spawn } from "node:child_process";

const watch = new URL("../../../src/inference/watchParent.ts", import.meta.url).href;
const program = `
  import { Worker } from "node:worker_threads";
  const thread = new Worker(new URL(${JSON.stringify(watch)}), { workerData: { parent: process.ppid }, env: {} });
  thread.once("online", () => setTimeout(() => { for (;;); }, 200));
`;
const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "ignore" });
process.send(child.pid);
setInterval(() => {}, 1000);
