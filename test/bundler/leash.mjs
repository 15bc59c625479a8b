// Preloaded into the programs that the tests start: they end when the test's process does, however that happens.
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.stdin.on("close", () => process.exit());
  process.stdin.resume();
}
