import { fork } from "node:child_process";
import { execArgv } from "node:process";
import type { FromWorker, ToWorker } from "./messages.ts";
import { fromWorkerSchema } from "./messages.ts";
import { workerArguments } from "./workerArguments.ts";
import { workerEnvironment } from "./workerEnvironment.ts";

/** Last words of a dying worker that go into the error, in characters. */
const LAST_OUTPUT_CHARACTERS = 400;

export type WorkerEvent =
  | { readonly kind: "message"; readonly message: FromWorker }
  | { readonly kind: "died"; readonly how: string; readonly lastOutput: string };

/** One child process that runs the model. It is replaced, never repaired. */
export type Worker = {
  /** Null when the process could not be started. Never a number that `kill` takes for a group. */
  readonly pid: number | null;
  send(message: ToWorker): void;
  /** One listener at a time; null lets messages fall on the floor. */
  listen(listener: ((event: WorkerEvent) => void) | null): void;
  /** While held, the worker keeps this process's event loop alive. */
  hold(held: boolean): void;
  readonly dead: boolean;
  /** SIGKILL: there is nothing to save in a worker, and a hung one hears nothing else. */
  kill(): Promise<void>;
};

/** Starts the worker with almost no environment and without this process's standard streams. */
export function spawnWorker(path: string): Worker {
  const child = fork(path, [], {
    env: workerEnvironment(),
    execArgv: [...workerArguments(execArgv)],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "json",
    windowsHide: true,
  });
  let listener: ((event: WorkerEvent) => void) | null = null;
  let dead = false;
  let ending = false;
  let lastOutput = "";
  const { promise: gone, resolve: markGone } = Promise.withResolvers<void>();

  const died = (how: string) => {
    if (dead) return;
    dead = true;
    markGone();
    listener?.({ kind: "died", how, lastOutput: lastOutput.trim() });
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => (lastOutput = (lastOutput + chunk).slice(-LAST_OUTPUT_CHARACTERS)));
  }
  // `exit`, not `close`: a grandchild may hold the pipes open. The output is read first, so it is there by now or lost.
  child.on("exit", (code, signal) => setImmediate(died, signal ?? `exit code ${code}`));
  child.on("error", (error) => {
    child.kill("SIGKILL");
    // A process that never started has no exit event.
    if (child.pid === undefined) died(error.message);
  });
  child.on("message", (raw) => {
    const parsed = fromWorkerSchema.safeParse(raw);
    if (parsed.success) return listener?.({ kind: "message", message: parsed.data });
    lastOutput = `a message that follows no schema: ${parsed.error.issues[0]?.message ?? ""}`;
    child.kill("SIGKILL");
  });

  const streams = [child.stdout, child.stderr] as unknown as readonly ({
    ref?(): void;
    unref?(): void;
  } | null)[];
  const worker: Worker = {
    pid: child.pid ?? null,
    send(message) {
      // A closed channel is no error here: the exit event that follows says what happened.
      if (child.connected) child.send(message, () => {});
    },
    listen(next) {
      listener = next;
    },
    hold(held) {
      // Whoever waits for the end must not end before, and a run that was cut off lets go after `kill`.
      if (ending) return;
      for (const handle of [child, child.channel, ...streams]) {
        if (held) handle?.ref?.();
        else handle?.unref?.();
      }
    },
    get dead() {
      return dead;
    },
    async kill() {
      if (dead) return;
      child.kill("SIGKILL");
      child.ref();
      ending = true;
      await gone;
    },
  };
  return worker;
}
