import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { treasurer } from "../../src/agents/treasurer.ts";
import type { Inference } from "../../src/core/inference.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { openEngine } from "../../src/inference/openEngine.ts";
import { outputOf } from "../../src/journal/decisions.ts";
import type { House } from "../../src/runtime/house.ts";
import type { Sealed } from "../../src/runtime/steps/seal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { thinkerFile } from "../model/thinker.ts";
import { failuresOf, forgerOf } from "./forger.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld } from "./world.ts";

// A model that reasons decides: its thought is recorded apart from its answer, committed to, and checked with it.

const folder = mkdtempSync(join(tmpdir(), "bursar-thinking-"));
let chain: LocalChain;
let house: House;
beforeAll(async () => {
  chain = await startLocalChain();
  const world = await makeWorld(chain, "thinking");
  const state = join(folder, world.name);
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const content = thinkerFile();
  const modelPath = join(folder, "thinker.gguf");
  writeFileSync(modelPath, content);
  const sha256 = `0x${createHash("sha256").update(content).digest("hex")}` as const;
  const agent = treasurer({ inbox: "./inbox", mailSettings: "./mail.json", thoughtTokens: 120 });
  house = openHouse(world, {
    state,
    agent,
    engine: await openEngine({ modelPath, sha256, mode: "canonical" }),
  });
  await decideAll(house, state);
});
afterAll(async () => {
  house?.journal.close();
  await house?.engine.close();
  await chain?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the thought is told apart from the action, and the action comes of the answer alone", () => {
  const [report] = reportsOf(house);
  const { inference } = outputOf(house.journal, report!.id, "infer") as unknown as { inference: Inference };
  expect(inference.thought?.end).toBe("model");
  expect(report!.thought).toBe(inference.thought?.text);
  // The thinker thinks what the clerk would say: a transfer. That is no action yet.
  expect(report!.thought).toContain('"transfer"');
  expect(JSON.parse(inference.text)).toMatchObject(report!.action);
  expect(inference.text).not.toContain(report!.thought);
});

test("the record commits to it, and verification runs it again", async () => {
  const [report] = reportsOf(house);
  const sealed = outputOf(house.journal, report!.id, "seal") as unknown as Sealed;
  expect(sealed.fields).toMatchObject({
    "prompt.thoughtMaxTokens": 120,
    "inference.thought": expect.stringMatching(/^0x[0-9a-f]{64}$/),
    "inference.options": expect.stringMatching(/^0x[0-9a-f]{64}$/),
  });
  const { decisions, failures } = await verifyDecisions(house);
  expect([failures, decisions.map(({ inference }) => inference)]).toEqual([[], ["EXACT"]]);
});

type Parts = { readonly thought: JsonObject; readonly prompt: JsonObject };

test.each<readonly [string, (inference: Parts) => object, RegExp]>([
  ["its text", ({ thought }) => ({ thought: { ...thought, text: "Told." } }), /inference\.thought/],
  ["how it ended", ({ thought }) => ({ thought: { ...thought, end: "budget" } }), /inference\.thought/],
  [
    "how long it might be",
    ({ prompt }) => ({ prompt: { ...prompt, thought: { maxTokens: 9 } } }),
    /let think in another way/,
  ],
])("a journal in which %s was changed is found out", async (_name, changed, said) => {
  house.journal.run("begin");
  forgerOf(house.journal).patch(1, "infer", ({ inference }: { readonly inference: Parts }) => ({
    inference: { ...inference, ...changed(inference) },
  }));
  const failures = await failuresOf(house);
  house.journal.run("rollback");
  expect(failures.join("\n")).toMatch(said);
});
