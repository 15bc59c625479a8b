import { workerData } from "node:worker_threads";

// A thread beside the worker's main one. When the parent dies, the main thread hears `disconnect` and ends the process
// at once; this thread ends it when the main one is deep in native code and hears nothing.

/** How often to look, in milliseconds: the longest an orphan may live. */
const INTERVAL_MS = 500;

const { parent } = workerData as { readonly parent: number };

setInterval(() => {
  // An orphan is handed to another process.
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, INTERVAL_MS);
