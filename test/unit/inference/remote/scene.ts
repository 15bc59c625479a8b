// What the tests of remote engines share.
import { mkdtemp, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, afterAll } from "vitest";
import { BaseError } from "../../../../src/core/errors.ts";
import type { InferenceEngine, Prompt } from "../../../../src/core/inference.ts";
import {
  openRemoteEngine,
  type OpenRemoteOptions,
} from "../../../../src/inference/remote/openRemoteEngine.ts";
import {
  startInferenceServer,
  type Dialect,
  type InferenceServer,
  type Thinker,
} from "../../../doubles/inferenceServer.ts";

export const grammar = 'root ::= "yes" | "no"\n';
export const jsonSchema = { type: "object", properties: { action: { type: "string", enum: ["hold"] } } };
export const prompt: Prompt = {
  messages: [
    { role: "system", content: "You answer." },
    { role: "user", content: "May I? Naïvely: 你好 🚀" },
  ],
  grammar,
  jsonSchema,
  maxTokens: 12,
};
export const greedy = { kind: "greedy" } as const;
export const sampled = {
  kind: "sampled",
  temperatureMilli: 700,
  topK: 40,
  topPMilli: 950,
  seed: 4_000_000_000,
} as const;
export const yes: Thinker = () =>
  Promise.resolve({ text: "yes, 你好 🚀", outputTokens: [7, 8, 9], stopReason: "end" });

export let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bursar-remote-"));
});
afterAll(() => rm(folder, { recursive: true }));

const open: (InferenceServer | InferenceEngine)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
export async function serve(
  dialect: Dialect,
  think: Thinker = yes,
  options: Parameters<typeof startInferenceServer>[2] = {},
) {
  const server = await startInferenceServer(dialect, think, options);
  open.push(server);
  return server;
}
export async function engineAt(
  server: InferenceServer,
  profile: Dialect,
  more: Partial<OpenRemoteOptions> = {},
) {
  const engine = await openRemoteEngine({ url: server.url, profile, model: "clerk", ...more });
  open.push(engine);
  return engine;
}
export async function failure(promise: Promise<unknown>): Promise<BaseError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BaseError)) throw new Error("not one of our errors", { cause: error });
  return error;
}
/** What the server was asked for its answer. */
export async function bodyFor(
  dialect: Dialect,
  how: {
    prompt?: Prompt;
    sampling?: typeof greedy | typeof sampled;
    version?: string;
    options?: Partial<OpenRemoteOptions>;
  },
) {
  const server = await serve(dialect, yes, how.version === undefined ? {} : { version: how.version });
  const engine = await engineAt(server, dialect, how.options);
  const inference = await engine.infer(how.prompt ?? prompt, how.sampling ?? greedy);
  return { body: server.questions()[0]!.body, inference };
}

export const dialects = ["llama-server", "vllm", "sglang", "ollama", "openai"] as const;

/** A mishap at the request for the answer only. */
export const atAnswers =
  (then: (response: ServerResponse) => void | Promise<void>) =>
  async (path: string, response: ServerResponse): Promise<boolean> => {
    if (!/completion$|completions$|\/api\/chat$/.test(path)) return false;
    await then(response);
    return true;
  };
