import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { defineAction } from "../../src/agents/defineAction.ts";
import { defineAgent } from "../../src/agents/defineAgent.ts";
import { fence } from "../../src/agents/fence.ts";
import { now } from "../../src/runtime/clock.ts";
import { openRuntime, type Runtime, type RuntimeEvent } from "../../src/runtime/openRuntime.ts";
import { sendToAgent } from "../../src/runtime/sendToAgent.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import * as z from "zod";
import { configure } from "./configure.ts";
import { makeWorld } from "./world.ts";

// A runtime as `bursar run` opens it, with the clerk, woken by everything but mail.

const state = mkdtempSync(join(tmpdir(), "bursar-sources-"));
const secret = randomBytes(32);
const agent = defineAgent({
  name: "listener",
  purpose: "Listens.",
  triggers: [
    { kind: "interval", everySeconds: 3600 },
    { kind: "webhook", name: "orders", secretFile: "./secret" },
  ],
  actions: { note: defineAction({ words: "Notes it.", input: z.strictObject({ loud: z.boolean() }) }) },
  prompt: ({ facts }) => ({
    messages: [
      {
        role: "user",
        content: fence("said", facts["webhook.body"] ?? facts["command.text"] ?? facts["clock.due"]!),
      },
    ],
    grammar: null,
    maxTokens: 60,
  }),
});
const events: RuntimeEvent[] = [];
const decided = () => events.flatMap((event) => (event.kind === "decision" ? [event.report] : []));
let served: ServedChain;
let runtime: Runtime;
let port: number;
beforeAll(async () => {
  served = await serveChain();
  const world = await makeWorld(served.chain, "listener");
  writeFileSync(join(state, "secret"), `whsec_${secret.toString("base64")}`);
  port = await freePort();
  const options = await configure(world, served.url, state, {
    config: { webhooks: { host: "127.0.0.1", port } },
  });
  runtime = await openRuntime({ ...options, agent, onEvent: (event) => void events.push(event) });
});
afterAll(async () => {
  await runtime.close();
  await served.close();
  rmSync(state, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port: free } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return free;
}

async function post(id: string, body: string): Promise<number> {
  const at = Math.floor(now() / 1000);
  const signature = createHmac("sha256", secret).update(`${id}.${at}.${body}`).digest("base64");
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(at),
    "webhook-signature": `v1,${signature}`,
  };
  return (await fetch(`http://127.0.0.1:${port}/hooks/listener/orders`, { method: "POST", headers, body }))
    .status;
}

test("a signed request wakes it, and what it says stays untrusted in the prompt", async () => {
  expect(await post("m1", "Order 1")).toBe(202);
  await runtime.runUntilIdle();
  expect(decided()).toMatchObject([
    { trigger: { kind: "webhook" }, verdict: "allow", outcome: expect.stringMatching(/^(noted|held)$/) },
  ]);
});

test("while it is paused nothing is decided, and everything is taken in", async () => {
  expect(await sendToAgent(state, { command: "pause" }, 0)).toBe(false);
  expect(await post("m2", "Order 2")).toBe(202);
  await runtime.runUntilIdle();
  await runtime.runUntilIdle();
  expect(decided()).toHaveLength(1);
  expect(events.filter(({ kind }) => kind === "paused")).toHaveLength(1);

  await sendToAgent(state, { command: "tell", text: "And this." }, 0);
  await sendToAgent(state, { command: "resume" }, 0);
  await runtime.runUntilIdle();
  // What the operator says goes before what waits.
  expect(decided().map(({ trigger }) => trigger.kind)).toEqual(["webhook", "operator", "webhook"]);
  const { decisions, failures } = await (await runtime.anchor(), runtime.verify());
  expect([failures, decisions.flatMap((decision) => decision.failures)]).toEqual([[], []]);
});
