// The child process that runs the model. It holds no key, reads no environment, opens no socket, and lives no longer
// than the process that started it.

import { Worker as Thread } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkRequest } from "./messages.ts";
import type { LoadedModel } from "./loadModel.ts";

/** SIGKILL and not `exit`: `exit` would first wait for a native evaluation to finish. There is nothing to save. */
function die(): void {
  process.kill(process.pid, "SIGKILL");
}

process.on("disconnect", die);
// Ctrl-C goes to the whole process group. Whether to stop, and when, is the supervisor's decision.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

let loaded: LoadedModel | null = null;
const cancelled = new Set<number>();

function send(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => {});
}

async function obey(raw: unknown): Promise<void> {
  const { toWorkerSchema } = await import("./messages.ts");
  const message: ToWorker = toWorkerSchema.parse(raw);
  if (message.type === "cancel") return void cancelled.add(message.id);
  const id = message.type === "open" ? null : message.id;
  try {
    if (message.type === "open") {
      // Imported here, so that `disconnect` is heard while the native library loads.
      const { loadModel } = await import("./loadModel.ts");
      loaded = await loadModel(message, send);
      send(loaded.ready);
    } else await work(message);
  } catch (error) {
    const { WorkerFailure } = await import("./workerFailure.ts");
    // Anything else is a fault of the worker: it ends the process, and the supervisor starts another.
    if (!(error instanceof WorkerFailure)) throw error;
    send({ type: "failed", id, code: error.code, message: error.shortMessage, facts: { ...error.facts } });
  }
}

async function work(request: WorkRequest): Promise<void> {
  const [{ runRequest }, { WorkerFailure }] = await Promise.all([
    import("./runRequest.ts"),
    import("./workerFailure.ts"),
  ]);
  if (loaded === null) throw new WorkerFailure("request", "no model is open");
  try {
    send(await runRequest(loaded, request, send, () => cancelled.has(request.id)));
  } finally {
    cancelled.delete(request.id);
  }
}

process.on("message", (raw) => void obey(raw));
const watch = new URL(
  import.meta.url.endsWith(".ts") ? "./watchParent.ts" : "./watchParent.js",
  import.meta.url,
);
// Without the flags of the worker's own command line; they are not for this thread.
new Thread(watch, { workerData: { parent: process.ppid }, env: {}, execArgv: [] }).unref();
// The parent may have died before the listener above was there.
if (process.connected) send({ type: "booted" });
else die();
