import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { InferenceEngine, LocalEngine } from "../../src/core/inference.ts";
import { actionAnswers } from "../../src/inference/grammar.ts";
import { jsonSchemaOf } from "../../src/inference/jsonSchemaOf.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { openRemoteEngine } from "../../src/inference/remote/openRemoteEngine.ts";
import { inferenceSchema } from "../../src/inference/messages.ts";
import { openModel } from "../../src/runtime/openModel.ts";
import { verifyInference } from "../../src/runtime/verifyInference.ts";
import { startInferenceServer, type Dialect, type InferenceServer } from "../doubles/inferenceServer.ts";
import { CLERK, clerkGrammar, clerkPrompt, ENDLESS, GREEDY, MESSAGES, PAYEES } from "./clerk.ts";

// The bundled clerk behind servers of five dialects: what comes over the wire is what it says when asked at home.

let clerk: LocalEngine;
let folder: string;
beforeAll(async () => {
  clerk = await openEngine(CLERK);
  folder = mkdtempSync(join(tmpdir(), "bursar-remote-"));
});
afterAll(async () => {
  await clerk?.close();
  rmSync(folder, { recursive: true });
});

const jsonSchema = jsonSchemaOf(
  actionAnswers({
    payees: PAYEES,
    tokens: ["USDC", "DAI", "ETH"],
    holdReasons: ["not-a-bill", "unknown-payee", "unclear"],
  }),
)!;

describe.each(["llama-server", "vllm", "sglang", "ollama", "openai"] as const)("%s", (dialect: Dialect) => {
  let server: InferenceServer;
  let remote: InferenceEngine;
  beforeAll(async () => {
    server = await startInferenceServer(dialect, (prompt, signal) => clerk.infer(prompt, GREEDY, { signal }));
    remote = await openRemoteEngine({ url: server.url, profile: dialect, model: "clerk" });
  });
  afterAll(async () => {
    await remote?.close();
    await server?.close();
  });

  test.each(MESSAGES)("says of %j what the clerk says", async (message) => {
    const byGrammar = dialect !== "ollama" && dialect !== "openai";
    const prompt = clerkPrompt(message, clerkGrammar);
    const asked = { ...prompt, jsonSchema };
    const there = await remote.infer(asked, GREEDY);
    // A server that takes no grammar lets the model write freely; the clerk keeps to its form all the same.
    const here = await clerk.infer(byGrammar ? prompt : { ...prompt, grammar: null }, GREEDY);
    expect(there.text).toBe(here.text);
    expect(there.stopReason).toBe("end");
    expect(there.outputTokens).toEqual(byGrammar ? here.outputTokens : []);
    expect(JSON.parse(there.text)).toHaveProperty("action");
  });

  test("an engine that holds the very file verifies nothing of it", async () => {
    const there = await remote.infer({ ...clerkPrompt(MESSAGES[0], clerkGrammar), jsonSchema }, GREEDY);
    expect(await clerk.reExecute(there)).toMatchObject({ verdict: "UNVERIFIABLE" });
    const tolerance = { marginMilli: 1000, fingerprintMilli: 1000, flipsPermille: 1000 };
    expect(await clerk.reCheck(there, tolerance)).toMatchObject({ verdict: "UNVERIFIABLE" });
    expect(await verifyInference(there)).toMatchObject({ verdict: "UNVERIFIABLE", reCheck: null });
  });
});

test("`bursar verify` says so, with a status of its own", async () => {
  const server = await startInferenceServer("vllm", (prompt, signal) =>
    clerk.infer(prompt, GREEDY, { signal }),
  );
  const remote = await openRemoteEngine({ url: server.url, profile: "vllm", model: "clerk" });
  const record = await remote.infer(clerkPrompt(MESSAGES[0], clerkGrammar), GREEDY);
  await Promise.all([remote.close(), server.close()]);
  const file = join(folder, "record.json");
  const verify = async (record: unknown, ...words: readonly string[]) => {
    writeFileSync(file, JSON.stringify(record));
    const child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        "--conditions=source",
        join(import.meta.dirname, "../../src/cli/main.ts"),
        "verify",
        "--inference",
        file,
        ...words,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const [[status], stdout, stderr] = await Promise.all([
      once(child, "close"),
      text(child.stdout),
      text(child.stderr),
    ]);
    return { status: status as unknown, stdout, stderr };
  };
  const said = await verify(record);
  expect(said).toMatchObject({ status: 2, stderr: "" });
  expect(said.stdout).toBe(
    `UNVERIFIABLE: ${server.url} was asked for clerk; what answered there, and how, is its word alone.\n`,
  );
  expect(JSON.parse((await verify(record, "--json")).stdout)).toMatchObject({ verdict: "UNVERIFIABLE" });
  // A record can't be made verifiable by leaving out who was asked, nor made up as a server's of another's.
  const { remote: _, ...without } = record;
  for (const forged of [
    without,
    { ...record, mode: "canonical" },
    { ...record, model: { ...record.model, sha256: CLERK.sha256 } },
  ])
    expect(await verify(forged)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/is no inference record/),
    });
});

describe("a ladder with the clerk", () => {
  const long = { ...clerkPrompt(MESSAGES[0], ENDLESS, 900), jsonSchema };
  const local = {
    file: CLERK.modelPath,
    sha256: CLERK.sha256,
    mode: "canonical",
    contextSize: 1024,
    threads: 1,
  } as const;
  const remoteAt = (url: string) => ({
    remote: { url, profile: "vllm", model: "clerk", allowHttp: false, deadlineMs: 20_000 } as const,
  });

  test("that is late falls to a server, and nothing of that is verifiable", async () => {
    const server = await startInferenceServer("vllm", () =>
      Promise.resolve({ text: "abc", outputTokens: [1], stopReason: "end" }),
    );
    const ladder = await openModel({ ...local, fallback: [remoteAt(server.url)], deadlineMs: 1000 });
    const inference = await ladder.infer(long, GREEDY);
    expect(inference).toMatchObject({
      mode: "remote",
      text: "abc",
      fallback: [{ engine: "clerk-q8_0.gguf", error: "InferenceTimeoutError" }],
    });
    expect(inference.fallback![0]!.ms).toBeGreaterThanOrEqual(450);
    expect(await ladder.reExecute(inference)).toMatchObject({ verdict: "UNVERIFIABLE" });
    // The clerk is well again, and first.
    const next = await ladder.infer(clerkPrompt(MESSAGES[1], clerkGrammar), GREEDY);
    expect(next.mode).toBe("canonical");
    expect(await ladder.reExecute(next)).toMatchObject({ verdict: "EXACT" });
    await Promise.all([ladder.close(), server.close()]);
  });

  test("behind a server that is down answers for it, verifiably, and says for whom", async () => {
    const server = await startInferenceServer("vllm", (prompt, signal) =>
      clerk.infer(prompt, GREEDY, { signal }),
    );
    const ladder = await openModel({ ...remoteAt(server.url), fallback: [local], deadlineMs: 30_000 });
    const prompt = clerkPrompt(MESSAGES[0], clerkGrammar);
    expect((await ladder.infer(prompt, GREEDY)).mode).toBe("remote");
    await server.close();
    const inference = await ladder.infer(prompt, GREEDY);
    expect(inference).toMatchObject({
      mode: "canonical",
      fallback: [{ engine: `clerk at ${new URL(server.url).host}`, error: "RemoteUnreachableError" }],
    });
    expect(inferenceSchema.parse(JSON.parse(JSON.stringify(inference)))).toEqual(inference);
    expect(await ladder.reExecute(inference)).toMatchObject({ verdict: "EXACT" });
    expect(await verifyInference(inference)).toMatchObject({ verdict: "EXACT" });
    await ladder.close();
  });
});
