import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, expect, it } from "vitest";

import type { InferenceEngine } from "../../../../src/core/inference.ts";
import { openModel } from "../../../../src/runtime/openModel.ts";
import { startInferenceServer, type InferenceServer } from "../../../doubles/inferenceServer.ts";

// A hedge as it is configured, over real connections.

const prompt = {
  messages: [{ role: "user", content: "Is this a bill, or is it none?" }],
  grammar: null,
  maxTokens: 8,
} as const;
const answer = (text: string) => ({ text, outputTokens: [1], stopReason: "end" }) as const;

let folder: string;
let slow = false;
let first: InferenceServer;
let second: InferenceServer;
let engine: InferenceEngine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bursar-hedge-"));
  await writeFile(join(folder, "first"), "key-of-the-first");
  await writeFile(join(folder, "second"), "key-of-the-second");
  first = await startInferenceServer(
    "vllm",
    () => (slow ? new Promise(() => undefined) : Promise.resolve(answer("first"))),
    { key: "key-of-the-first" },
  );
  second = await startInferenceServer("ollama", () => Promise.resolve(answer("second")), {
    model: "small",
    key: "key-of-the-second",
  });
  engine = await openModel({
    remote: {
      url: first.url,
      profile: "vllm",
      model: "clerk",
      apiKeyFile: join(folder, "first"),
      allowHttp: false,
      deadlineMs: 20_000,
      hedge: {
        url: second.url,
        profile: "ollama",
        model: "small",
        apiKeyFile: join(folder, "second"),
        minSamples: 10,
      },
    },
  });
});
afterAll(async () => {
  await engine?.close();
  await Promise.all([first?.close(), second?.close()]);
  await rm(folder, { recursive: true });
});

it("asks the second server with its own key, takes its answer, and hangs up on the first", async () => {
  for (let call = 0; call < 10; call++) await engine.infer(prompt, { kind: "greedy" });
  expect(second.questions()).toHaveLength(0);
  slow = true;
  const inference = await engine.infer(prompt, { kind: "greedy" });
  expect(inference).toMatchObject({
    text: "second",
    model: { file: "small" },
    remote: { profile: "ollama", url: second.url },
    hedge: { winner: "second", loser: "aborted" },
  });
  await expect.poll(() => first.questions().at(-1)!.gone).toBe(true);
  const keysAt = (server: InferenceServer) =>
    new Set(server.asked.map(({ headers }) => headers.authorization));
  expect(keysAt(first)).toEqual(new Set(["Bearer key-of-the-first"]));
  expect(keysAt(second)).toEqual(new Set(["Bearer key-of-the-second"]));
});

it("opens without the second server, and waits for the first when that is away", async () => {
  const gone = await startInferenceServer("vllm", () => Promise.resolve(answer("gone")));
  await gone.close();
  let late = 0;
  const steady = await startInferenceServer("vllm", async () => {
    await sleep(late);
    return answer("first");
  });
  const remote = { url: steady.url, profile: "vllm", model: "clerk", allowHttp: false } as const;
  const alone = await openModel({
    remote: { ...remote, deadlineMs: 20_000, hedge: { url: gone.url, minSamples: 10 } },
  });
  try {
    for (let call = 0; call < 10; call++) await alone.infer(prompt, { kind: "greedy" });
    late = 1000;
    expect(await alone.infer(prompt, { kind: "greedy" })).toMatchObject({
      text: "first",
      hedge: { winner: "first", loser: "RemoteUnreachableError" },
    });
  } finally {
    await alone.close();
    await steady.close();
  }
});
