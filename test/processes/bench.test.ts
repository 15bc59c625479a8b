import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json as readJson, text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import manifest from "../../models/clerk/manifest.json" with { type: "json" };
import type { LocalEngine } from "../../src/core/inference.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import type { EngineBench } from "../../src/runtime/benchModel.ts";
import { startInferenceServer, type InferenceServer } from "../doubles/inferenceServer.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const clerkFile = join(import.meta.dirname, "../../models/clerk/clerk-q8_0.gguf");
let folder: string;
let clerk: LocalEngine;
let models: InferenceServer;
let chain: Server;
let rpc: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-bench-"));
  clerk = await openEngine({
    modelPath: clerkFile,
    sha256: manifest.sha256 as `0x${string}`,
    mode: "canonical",
  });
  models = await startInferenceServer("vllm", (prompt, signal) =>
    clerk.infer(prompt, { kind: "greedy" }, { signal }),
  );
  chain = createServer(
    (request, response) => void answer(request).then((body) => response.end(JSON.stringify(body))),
  );
  chain.listen(0, "127.0.0.1");
  await once(chain, "listening");
  rpc = `http://127.0.0.1:${(chain.address() as AddressInfo).port}`;
  writeFileSync(join(folder, "run.json"), JSON.stringify(configuration()));
});
afterAll(async () => {
  await clerk?.close();
  await models?.close();
  chain?.close();
  rmSync(folder, { recursive: true });
});

/** A chain of 500 blocks, one every 2.5 s on average. */
async function answer(request: NodeJS.ReadableStream & AsyncIterable<Buffer>) {
  const { id, method, params } = (await readJson(request)) as {
    id: number;
    method: string;
    params: [string];
  };
  if (method === "eth_chainId") return { jsonrpc: "2.0", id, result: "0x2a" };
  if (method !== "eth_getBlockByNumber")
    return { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } };
  const number = params[0] === "latest" ? 500 : Number(params[0]);
  const result = {
    number: `0x${number.toString(16)}`,
    timestamp: `0x${(1_700_000_000 + number * 2.5).toString(16)}`,
  };
  return { jsonrpc: "2.0", id, result: { ...result, transactions: [] } };
}

const configuration = () => ({
  chain: { rpc, chainId: 42 },
  account: "0x359e534d4c79745c3c0a0bc80d80cfae9e82699e",
  policy: "policy.yaml",
  keystore: "agent.json",
  bundler: { kind: "own", keystore: "purse.json" },
  model: {
    file: clerkFile,
    sha256: manifest.sha256,
    mode: "canonical",
    fallback: [
      { remote: { url: models.url, profile: "vllm", model: "clerk" } },
      { remote: { url: "http://127.0.0.1:9", profile: "vllm", model: "gone" } },
    ],
  },
  prices: {
    currency: "EUR",
    models: {
      clerk: { promptPerMillion: "1", cachedPerMillion: "0.1", outputPerMillion: "2" },
      "*": { promptPerMillion: "0", outputPerMillion: "0" },
    },
  },
  state: "state",
});

function start(words: readonly string[]) {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--conditions=source", main, "bench", ...words],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]).then(
    ([[status], stdout, stderr]) => ({ status: status as number | null, stdout, stderr }),
  );
  return { child, ended };
}
const bench = (...words: readonly string[]) => start(["model", ...words]).ended;

describe("bursar bench model", () => {
  it("shows how it is used", async () => {
    expect((await bench("--help")).stdout).toMatch(
      /Example: bursar bench model[^]*--prompts[^]*--runs[^]*--rpc/,
    );
    expect((await start(["--help"]).ended).stdout).toMatch(/model +Asks engines/);
  });

  it("compares every engine of a configuration, with its prices, beside its chain", async () => {
    const { status, stderr, stdout } = await bench("run.json", "--runs", "2", "--json");
    expect(status).toBe(0);
    expect(stderr).toMatch(/asking clerk-q8_0\.gguf 0 %\n[^]*asking clerk at 127\.0\.0\.1:\d+ 100 %\n/);
    const { blockTime, engines } = JSON.parse(stdout) as {
      blockTime: unknown;
      engines: readonly EngineBench[];
    };
    expect(blockTime).toEqual({ chainId: 42, blocks: 100, meanMs: 2500 });
    expect(
      engines.map(({ answers, engine, failed, mode, sameAsFirst }) => ({
        answers,
        engine,
        failed,
        mode,
        sameAsFirst,
      })),
    ).toEqual([
      { answers: 12, engine: "clerk-q8_0.gguf", failed: {}, mode: "canonical", sameAsFirst: 12 },
      {
        answers: 12,
        engine: `clerk at ${new URL(models.url).host}`,
        failed: {},
        mode: "remote",
        sameAsFirst: 12,
      },
      {
        answers: 0,
        engine: "gone at 127.0.0.1:9",
        failed: { RemoteUnreachableError: 1 },
        mode: null,
        sameAsFirst: 0,
      },
    ]);
    const [local, remote] = engines as [EngineBench, EngineBench];
    for (const { ms, tokensPerSecond } of [local, remote]) {
      expect(ms!.total.p50).toBeGreaterThan(0);
      expect(ms!.total.p95).toBeGreaterThanOrEqual(ms!.total.p50);
      expect(ms!.total.p95).toBeGreaterThanOrEqual(ms!.prefill.p50);
      expect(tokensPerSecond.output).toBeGreaterThan(0);
    }
    expect(local.economics.cost).toEqual({ currency: "EUR", micros: 0 });
    const { cachedTokens, cost, outputTokens, promptTokens } = remote.economics;
    expect(cost!.micros).toBe(
      Math.ceil(promptTokens - cachedTokens! + cachedTokens! * 0.1 + outputTokens * 2),
    );
  });

  it("says it in words: unverifiable, what broke, and how many blocks a decision waits for", async () => {
    const { stdout } = await bench("run.json", "--runs", "1");
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^engine +mode +ready +answers +prompt +answer +in all \(p50 \/ p95\)/);
    expect(lines[1]).toMatch(/^clerk-q8_0\.gguf +canonical +\d+ ms +6 +\d+ \/ \d+ ms .* 0\.000000 EUR$/);
    expect(lines[2]).toMatch(/^clerk at \S+ +remote, UNVERIFIABLE .* 0\.0\d{5} EUR$/);
    expect(lines[3]).toMatch(/^gone at \S+ +— +— +0, 1 RemoteUnreachableError/);
    expect(lines[4]).toBe("chain 42: a block every 2.50 s (its last 100)");
    expect(lines[5]).toMatch(/^ {2}clerk-q8_0\.gguf: p50 is \d+\.\d\d blocks, p95 \d+\.\d\d$/);
  });

  it("asks what a file says, of the bundled clerk when nothing is named", async () => {
    const prompt = { messages: [{ role: "user", content: "hi" }], grammar: 'root ::= "ok"\n', maxTokens: 4 };
    writeFileSync(join(folder, "prompts.jsonl"), `${JSON.stringify(prompt)}\n`);
    const { stdout } = await bench("--prompts", "prompts.jsonl", "--runs", "1", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      blockTime: null,
      engines: [{ engine: "clerk-q8_0.gguf", answers: 1, economics: { cost: null } }],
    });
  });

  it("refuses what makes no sense before it begins", async () => {
    for (const [words, said] of [
      [["--runs", "0"], /is no number of runs/],
      [["--runs", "many"], /is no number of runs/],
      [["--context", "x"], /is no size of a context/],
      [["none.gguf"], /no such file/],
      [["none.json"], /no configuration file/],
      [["--prompts", "none.jsonl"], /can't be read/],
      [["--rpc", "http://127.0.0.1:9"], /RPC does not answer/],
      [["--frobnicate"], /has no option --frobnicate/],
    ] as const) {
      const { status, stderr, stdout } = await bench(...words);
      expect(stdout + stderr).toMatch(said);
      expect(status).toBe(1);
    }
  });

  it("stops at once when it is interrupted, with nothing left behind", async () => {
    const { child, ended } = start(["model", "--runs", "1000"]);
    await new Promise<void>((resolve) =>
      child.stderr.on("data", (chunk: Buffer) => /asking/.test(chunk.toString()) && resolve()),
    );
    child.kill("SIGINT");
    expect(await ended).toMatchObject({
      status: 130,
      stdout: "",
      stderr: expect.stringMatching(/\nStopped; nothing is left behind\.\n$/),
    });
  });
});
