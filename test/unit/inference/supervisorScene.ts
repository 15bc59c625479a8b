// What the tests of the supervisor share: workers that do as they are told.
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import type { WorkRequest } from "../../../src/inference/messages.ts";
import type { Supervisor, SupervisorOptions } from "../../../src/inference/superviseWorker.ts";
import { superviseWorker } from "../../../src/inference/superviseWorker.ts";

const workerPath = fileURLToPath(new URL("./fakeWorker.mjs", import.meta.url));
const open: Supervisor[] = [];

export async function supervise(
  name = "steady",
  options: Partial<SupervisorOptions> = {},
  how: Partial<SupervisorOptions["open"]> = {},
): Promise<Supervisor> {
  const supervisor = await superviseWorker({
    workerPath,
    open: {
      type: "open",
      modelPath: name,
      sha256: `0x${"0".repeat(64)}`,
      mode: "canonical",
      gpu: "auto",
      contextSize: 1024,
      threads: 1,
      sequences: 1,
      cpuVariant: "best",
      ...how,
    },
    loadMs: 5000,
    inferMs: 5000,
    queueMs: 5000,
    mostWaiting: 10,
    graceMs: 200,
    backOffMs: [0, 50, 100],
    ...options,
  });
  open.push(supervisor);
  return supervisor;
}

let nextId = 0;
function request(content: string): WorkRequest {
  return {
    type: "infer",
    id: nextId++,
    prompt: { messages: [{ role: "user", content }], grammar: null, maxTokens: 10 },
    sampling: { kind: "greedy" },
  };
}

const somebody = Symbol("somebody");
export async function run(supervisor: Supervisor, content: string, signal?: AbortSignal, caller = somebody) {
  return (await supervisor.run(request(content), { caller, signal })).answer;
}

export async function failure(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error as {
    name: string;
    retry: string;
    facts: Record<string, string>;
    message: string;
    cause: unknown;
  };
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((supervisor) => supervisor.close()));
});
