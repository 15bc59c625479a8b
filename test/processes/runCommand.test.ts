import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, expect, test } from "vitest";

import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import type { DecisionReport } from "../../src/runtime/report.ts";
import { json, startInferenceServer, type InferenceServer } from "../doubles/inferenceServer.ts";
import { plainReader, scriptedEngine } from "../doubles/scriptedEngine.ts";
import { configure } from "../integration/configure.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { bursarIn } from "../integration/ownersDesk.ts";
import { makeWorld } from "../integration/world.ts";

// `bursar run` with servers for a model: what it tells of them, and what their thinking cost.

const folder = mkdtempSync(join(tmpdir(), "bursar-run-"));
let served: ServedChain;
let [first, second]: [InferenceServer?, InferenceServer?] = [];
beforeAll(async () => {
  served = await serveChain();
  const reader = scriptedEngine(plainReader);
  const think = () => (prompt: Parameters<typeof reader.infer>[0]) =>
    reader.infer(prompt, { kind: "greedy" });
  first = await startInferenceServer("vllm", think(), { model: "big" });
  second = await startInferenceServer("ollama", think(), { model: "small" });
});
afterAll(async () => {
  await Promise.all([first?.close(), second?.close()]);
  await served?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function stateOf(name: string) {
  const world = await makeWorld(served.chain, name);
  const state = join(folder, name);
  writeInbox(state, {
    "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
    "2.eml": billMail({ to: "acme", amount: "some", reference: "N-1" }),
  });
  const server = (of: InferenceServer, profile: string, model: string) => ({
    remote: { url: of.url, profile, model },
  });
  await configure(world, served.url, state, {
    config: {
      model: { ...server(first!, "vllm", "big"), fallback: [server(second!, "ollama", "small")] } as never,
      prices: {
        currency: "EUR",
        models: {
          big: { promptPerMillion: "10", outputPerMillion: "20" },
          small: { promptPerMillion: "1", outputPerMillion: "2" },
        },
      },
    },
  });
  const treasurer = pathToFileURL(join(import.meta.dirname, "../../src/agents/treasurer.ts")).href;
  writeFileSync(
    join(state, "agent.mjs"),
    `import { treasurer } from ${JSON.stringify(treasurer)};\nexport default treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });\n`,
  );
  return state;
}

test("says behind each decision who thought, what broke, and what it cost; and the sum", async () => {
  const state = await stateOf("words");
  let asked = 0;
  // The second question finds the server overloaded.
  first!.mishap = (path, response) => {
    if (!path.endsWith("/chat/completions") || ++asked < 2) return false;
    json(response, 503, { error: { message: "overloaded" } });
    return true;
  };
  const { status, stderr, stdout } = await bursarIn(state, "run", "agent.mjs", "--once");
  first!.mishap = undefined;
  expect(stderr).toMatch(/ready: big on remote, remote mode \(UNVERIFIABLE: a server's word\)/);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/ pay 42\.50 USDC to acme.* → paid \(thought by a server, UNVERIFIABLE\) in 0x/);
  expect(lines[1]).toMatch(
    /^ {5}\d+ tokens in \(16 reused\), 25 out, prompt \d+ \+ answer \d+ ms, 0\.0\d{5} EUR$/,
  );
  expect(lines[2]).toMatch(
    /→ held \(another engine answered, big at 127\.0\.0\.1:\d+: RemoteFailedError after \d+ ms; thought by a server, UNVERIFIABLE\)/,
  );
  expect(lines[3]).toMatch(
    /broken engines \d+ ms, 0\.0\d{5} EUR, not counted: what 1 engine cost that broke$/,
  );
  expect(lines[4]).toMatch(/^thinking in all: \d+ tokens in, 50 out, /);
  expect(lines).toHaveLength(5);
  expect(status).toBe(0);
});

test("tells the same in JSON, one line a decision and one for the sum", async () => {
  const state = await stateOf("json");
  const { stdout } = await bursarIn(state, "run", "agent.mjs", "--once", "--json");
  const [one, two, sum, ...more] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as DecisionReport & { total: DecisionReport["economics"] });
  expect(more).toEqual([]);
  expect(one).toMatchObject({
    unverifiable: true,
    broken: [],
    economics: { inferences: 1, outputTokens: 25, cachedTokens: 16, energyMillijoules: null, unknown: [] },
  });
  const { promptTokens } = one!.economics!;
  expect(one!.economics!.cost).toEqual({ currency: "EUR", micros: promptTokens * 10 + 25 * 20 });
  expect(sum!.total).toMatchObject({
    inferences: 2,
    promptTokens: promptTokens + two!.economics!.promptTokens,
    cost: { micros: one!.economics!.cost!.micros + two!.economics!.cost!.micros },
  });
});
