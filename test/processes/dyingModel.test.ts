import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import type { InferenceEngine } from "../../src/core/inference.ts";
import { openEngine, type OpenEngineOptions } from "../../src/inference/openEngine.ts";
import { allDecisions, effectsOf, outputOf } from "../../src/journal/decisions.ts";
import { leavesOf } from "../../src/journal/leaves.ts";
import type { House } from "../../src/runtime/house.ts";
import type { Sealed } from "../../src/runtime/steps/seal.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { childrenOf, CLERK, failure } from "../model/clerk.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { makeWorld, operationsOf, paidTo, type World } from "../integration/world.ts";

// The clerk itself decides, and its process dies while it does. The money path waits; it never guesses.

const folder = mkdtempSync(join(tmpdir(), "bursar-dying-model-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
const open: { house?: House; engines: InferenceEngine[] } = { engines: [] };
afterEach(async () => {
  open.house?.journal.close();
  await Promise.all(open.engines.splice(0).map((engine) => engine.close()));
});
afterAll(async () => {
  await chain?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function clerk(options: Partial<OpenEngineOptions> = {}): Promise<InferenceEngine> {
  const engine = await openEngine({ ...CLERK, ...options });
  open.engines.push(engine);
  return engine;
}

/** The engine, whose process is killed in the middle of its first runs. */
function dying(engine: InferenceEngine, times: number): InferenceEngine & { readonly asked: () => number } {
  let asked = 0;
  return {
    ...engine,
    asked: () => asked,
    infer(...question) {
      const answer = engine.infer(...question);
      if (asked++ < times) killWhile(answer);
      return answer;
    },
  };
}

/** `kill -9` of whatever works at it, or is started to: the supervisor pauses before a third start. */
function killWhile(answer: Promise<unknown>): void {
  const hunt = setInterval(() => {
    const pids = childrenOf(process.pid);
    if (pids.length > 0) clearInterval(hunt);
    for (const pid of pids) process.kill(pid, "SIGKILL");
  }, 5);
  answer.catch(() => undefined).finally(() => clearInterval(hunt));
}

async function stage(
  name: string,
  engine: InferenceEngine,
): Promise<{ world: World; state: string; house: House }> {
  const world = await makeWorld(chain, name);
  const state = join(folder, name);
  writeInbox(state, { "01.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  open.house = openHouse(world, { state, engine });
  return { world, state, house: open.house };
}

/** What is on the chain and in the journal. */
async function standing({ house, world }: { house: House; world: World }) {
  const [decision] = allDecisions(house.journal, "treasurer");
  return {
    paid: await paidTo(world, "acme"),
    operations: (await operationsOf(world)).length,
    done: decision?.done,
    waitsAt: decision ? effectsOf(house.journal, decision.id).map(({ source }) => source) : [],
    inferred: decision ? outputOf(house.journal, decision.id, "infer") !== undefined : false,
    leaves: leavesOf(house.journal, "treasurer").length,
  };
}
const waiting = { paid: 0n, operations: 0, done: false, waitsAt: ["infer"], inferred: false, leaves: 0 };
const paidOnce = { paid: 42_500_000n, operations: 1, done: true, waitsAt: [], inferred: true, leaves: 1 };

describe.runIf(process.platform === "linux")("a model whose process dies while it decides", () => {
  test("is asked again, and the bill is paid once", async () => {
    const engine = dying(await clerk(), 2);
    const { house, state, world } = await stage("dies-twice", engine);
    const [report] = await decideAll(house, state, { backOffMs: [10, 10] });
    expect(report?.outcome).toBe("paid");
    // What it was told to choose from, and how sure it was.
    expect(report?.options.map(({ text }) => text)).toEqual(['{"action":"transfer"', '{"action":"hold"']);
    expect(report?.options[0]?.probabilityPermille).toBeGreaterThan(500);
    expect(engine.asked()).toBe(3);
    expect(await standing({ house, world })).toEqual(paidOnce);
    const sealed = outputOf(house.journal, report!.id, "seal") as unknown as Sealed;
    expect(sealed.fields["inference.options"]).toMatch(/^0x[0-9a-f]{64}$/);
    const { decisions, failures } = await verifyDecisions(house);
    expect([failures, decisions.map(({ inference }) => inference)]).toEqual([[], ["EXACT"]]);
  });

  test("at every attempt that it gets leaves the decision waiting; the next round goes on with it", async () => {
    const engine = dying(await clerk(), 2);
    const { house, state, world } = await stage("waits", engine);
    expect(await failure(decideAll(house, state, { backOffMs: [10] }))).toMatchObject({
      name: "InferenceCrashedError",
      // Whoever watches calls again.
      retry: "safe",
    });
    expect(engine.asked()).toBe(2);
    expect(await standing({ house, world })).toEqual(waiting);
    await decideAll(house, state);
    expect(await standing({ house, world })).toEqual(paidOnce);
  });

  test("until its engine gives up stops the agent; the decision waits for another engine", async () => {
    const { house, state, world } = await stage("unusable", dying(await clerk(), 3));
    expect(await failure(decideAll(house, state, { backOffMs: [10, 10, 10, 10] }))).toMatchObject({
      name: "ModelUnusableError",
      retry: "never",
    });
    expect(await standing({ house, world })).toEqual(waiting);
    const later = { ...house, engine: await clerk() };
    await decideAll(later, state);
    expect(await standing({ house: later, world })).toEqual(paidOnce);
    expect((await verifyDecisions(later)).failures).toEqual([]);
  });
});

test("a model that is too slow decides nothing: the decision waits", async () => {
  const { house, state, world } = await stage("slow", await clerk({ deadlines: { inferMs: 5 } }));
  expect(await failure(decideAll(house, state, { backOffMs: [10] }))).toMatchObject({
    name: "InferenceTimeoutError",
    retry: "safe",
  });
  expect(await standing({ house, world })).toEqual(waiting);
});
