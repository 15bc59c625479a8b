import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { discloseField, verifyDisclosedField } from "../../src/core/decision.ts";
import type { InferenceEngine } from "../../src/core/inference.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { openRemoteEngine } from "../../src/inference/remote/openRemoteEngine.ts";
import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import type { House } from "../../src/runtime/house.ts";
import type { Sealed } from "../../src/runtime/steps/seal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { startInferenceServer, type InferenceServer } from "../doubles/inferenceServer.ts";
import { plainReader, scriptedEngine } from "../doubles/scriptedEngine.ts";
import { failuresOf, forgerOf } from "./forger.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-remote-"));
let chain: LocalChain;
let server: InferenceServer;
let engine: InferenceEngine;
let house: House;
beforeAll(async () => {
  chain = await startLocalChain();
  const world = await makeWorld(chain, "remote");
  const state = join(folder, world.name);
  writeInbox(state, {
    "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
    "2.eml": billMail({ to: "acme", amount: "some", reference: "N-1" }),
  });
  const reader = scriptedEngine(plainReader);
  server = await startInferenceServer("ollama", (prompt) => reader.infer(prompt, { kind: "greedy" }));
  engine = await openRemoteEngine({ url: server.url, profile: "ollama", model: "clerk" });
  house = openHouse(world, { state, engine });
  await decideAll(house, state);
  await anchorDecisions(house);
});
afterAll(async () => {
  house?.journal.close();
  await engine?.close();
  await server?.close();
  await chain?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a server's decisions are paid within the policy, and called unverifiable in every report", () => {
  expect(reportsOf(house).map(({ outcome, unverifiable }) => [outcome, unverifiable])).toEqual([
    ["paid", true],
    ["held", true],
  ]);
});

test("the server got the answers' form as a schema of this policy and message", () => {
  const format = server.questions()[0]!.body["format"] as { anyOf: { properties: Record<string, object> }[] };
  expect(format.anyOf[0]!.properties).toMatchObject({
    to: { enum: ["acme"] },
    amount: { enum: ["42.50"] },
  });
});

test("the record commits to who was asked, to its claims, and to no tokens that nobody told", () => {
  const sealed = outputOf(
    house.journal,
    allDecisions(house.journal, "treasurer")[0]!.id,
    "seal",
  ) as unknown as Sealed;
  expect(sealed.fields).toMatchObject({
    "runtime.mode": "remote",
    "model.sha256": null,
    "model.identity": { file: "clerk", sha256: null },
    "runtime.settings": null,
    "inference.unverifiable": expect.stringMatching(/server/),
    "inference.remote": {
      profile: "ollama",
      url: server.url,
      constraint: { kind: "schema" },
      claims: { digest: "ab".repeat(32) },
    },
    "prompt.tokens": null,
    "prompt.tokenCount": 100,
    "output.tokens": null,
  });
  const field = discloseField(sealed, "inference.unverifiable");
  expect(verifyDisclosedField(field, sealed.root, sealed.leaf)).toBe(true);
});

test("verification finds nothing wrong and calls nothing verified", async () => {
  const asked = server.questions().length;
  const { decisions, failures } = await verifyDecisions(house);
  expect(failures).toEqual([]);
  expect(decisions.map(({ failures, inference }) => [failures, inference])).toEqual([
    [[], "UNVERIFIABLE"],
    [[], "UNVERIFIABLE"],
  ]);
  expect(server.questions()).toHaveLength(asked);
});

test("a record can't be turned into a verifiable one afterwards", async () => {
  house.journal.run("begin");
  forgerOf(house.journal).patch(1, "infer", ({ inference }) => {
    const { remote: _, ...rest } = inference as JsonObject;
    return { inference: { ...rest, mode: "canonical" } };
  });
  const failures = await failuresOf(house);
  house.journal.run("rollback");
  expect(failures).toEqual(
    expect.arrayContaining([
      "1: The record's runtime.mode is not what the journal holds.",
      "1: The record's inference.unverifiable is not what the journal holds.",
    ]),
  );
});

test("another schema than the agent's is found", async () => {
  house.journal.run("begin");
  forgerOf(house.journal).patch(1, "infer", ({ inference }) => {
    const { prompt, ...rest } = inference as { prompt: JsonObject };
    return { inference: { ...rest, prompt: { ...prompt, jsonSchema: { type: "object" } } } };
  });
  const failures = await failuresOf(house);
  house.journal.run("rollback");
  expect(failures).toContain("1: The server was given another form of answers than the agent's.");
});
