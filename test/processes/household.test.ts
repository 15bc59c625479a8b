import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { numberToHex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";

import { treasurer } from "../../src/agents/treasurer.ts";
import { holdLane } from "../../src/journal/lanes.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { ConfigError, type Config } from "../../src/runtime/config.ts";
import { LaneHeldError, laneName } from "../../src/runtime/lane.ts";
import { openHousehold, type HouseholdEvent, type Member } from "../../src/runtime/openHousehold.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { startInferenceServer, type InferenceServer } from "../doubles/inferenceServer.ts";
import { plainReader, scriptedEngine } from "../doubles/scriptedEngine.ts";
import { configure } from "../integration/configure.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { bursarIn } from "../integration/ownersDesk.ts";
import { makeWorld, operationsOf, type World } from "../integration/world.ts";

// Several agents in one process, on one journal: each with its own account and key, with one purse for their gas.

const folder = mkdtempSync(join(tmpdir(), "bursar-household-"));
const names = ["clerk", "buyer", "cook"] as const;
let served: ServedChain;
let model: InferenceServer;
beforeAll(async () => {
  served = await serveChain();
  const reader = scriptedEngine(plainReader);
  model = await startInferenceServer("vllm", (prompt) => reader.infer(prompt, { kind: "greedy" }), {
    model: "big",
  });
});
afterAll(async () => {
  await model?.close();
  await served?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The same bill for everybody, and one of their own. */
async function household(
  place: string,
  changes: (name: string) => Partial<Config> = () => ({}),
): Promise<{ readonly members: readonly Member[]; readonly worlds: readonly World[] }> {
  const members: Member[] = [];
  const worlds: World[] = [];
  for (const name of names) {
    const world = await makeWorld(served.chain, `${place}-${name}`);
    const home = join(folder, place, name);
    writeInbox(home, {
      "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
      "2.eml": billMail({ to: "acme", amount: "7.00", reference: `${name.toUpperCase()}-1` }),
    });
    const options = await configure(world, served.url, home, {
      config: {
        model: { remote: { url: model.url, profile: "vllm", model: "big" } } as never,
        bundler: { kind: "own", keystore: "../clerk/purse.json", passwordFile: "../clerk/password" },
        state: "../state",
        ...changes(name),
      },
    });
    const agent = treasurer({ name, inbox: "./inbox", mailSettings: "./mail.json" });
    members.push({ ...options, agent });
    worlds.push(world);
  }
  return { members, worlds };
}

test("decide beside each other, each what came to it, and every journal row is its own agent's", async () => {
  const { members, worlds } = await household("together");
  const told: (readonly [string, HouseholdEvent])[] = [];
  const home = await openHousehold({ members, onEvent: (event, agent) => told.push([agent, event]) });
  try {
    await home.runUntilIdle();
    const decided = told.flatMap(([agent, event]) =>
      event.kind === "decision" ? [`${agent} ${event.report.trigger.label} ${event.report.outcome}`] : [],
    );
    expect(decided.toSorted()).toEqual(
      names.flatMap((name) => [`${name} 1.eml paid`, `${name} 2.eml paid`]).toSorted(),
    );
    for (const world of worlds) expect(await operationsOf(world)).toHaveLength(2);
    for (const { verify } of home.runtimes) {
      const { decisions, failures } = await verify();
      expect([failures, decisions.flatMap((check) => check.failures)]).toEqual([[], []]);
      expect(decisions).toHaveLength(2);
    }
    await home.anchor();
  } finally {
    await home.close();
  }
});

test("goes on with the others when one fails, and says so", async () => {
  const { members, worlds } = await household("failing");
  const told: string[] = [];
  let failed = false;
  const home = await openHousehold({
    members,
    onEvent: (event, agent) => event.kind === "stopped" && told.push(`${agent} ${event.error.message}`),
    onPassage({ at, step }) {
      // The first of them that gets to its look at the world.
      if (step === "observe" && at === "begun" && !failed) {
        failed = true;
        throw new Error("A mistake of ours.");
      }
    },
  });
  try {
    await expect(home.runUntilIdle()).rejects.toThrow("A mistake of ours.");
    expect(told).toHaveLength(1);
    const counts = await Promise.all(worlds.map(async (world) => (await operationsOf(world)).length));
    expect(counts.toSorted((one, other) => one - other)).toEqual([0, 2, 2]);
    await home.runUntilIdle();
    for (const world of worlds) expect(await operationsOf(world)).toHaveLength(2);
  } finally {
    await home.close();
  }
});

test("begins without the one whose nonces somebody else used, and says so", async () => {
  const { members, worlds } = await household("held");
  const [, buyer] = worlds;
  const journal = openJournal(join(members[0]!.config.state, "journal.db"));
  const lane = laneName({ account: buyer!.account, policy: buyer!.policy });
  holdLane(journal, { agent: "buyer", lane, next: numberToHex(1n, { size: 32 }), foreign: null });
  journal.close();
  const told: string[] = [];
  const home = await openHousehold({
    members,
    onEvent: (event, agent) => event.kind === "stopped" && told.push(`${agent} ${event.error.name}`),
  });
  try {
    await expect(home.runUntilIdle()).rejects.toThrow(LaneHeldError);
    expect(told).toEqual(["buyer LaneHeldError"]);
    const counts = await Promise.all(worlds.map(async (world) => (await operationsOf(world)).length));
    expect(counts).toEqual([2, 0, 2]);
  } finally {
    await home.close();
  }
  await expect(openHousehold({ members: [members[1]!] })).rejects.toThrow(LaneHeldError);
});

test.each<readonly [string, (members: readonly Member[]) => readonly Member[], RegExp]>([
  ["one name twice", ([one, two]) => [one!, { ...two!, agent: one!.agent }], /Two agents are called clerk/],
  [
    "one key on one account twice",
    ([one, two]) => [one!, { ...two!, config: { ...one!.config } }],
    /The agents clerk and buyer have the same key on the same account/,
  ],
  [
    "two state folders",
    ([one, two]) => [one!, { ...two!, config: { ...two!.config, state: folder } }],
    /different state folders/,
  ],
  [
    "two relays",
    (members) => members.map((one, index) => linkedOver(one, `wss://relay-${index}.example`)),
    /different relays/,
  ],
  [
    "one inbox for two who pay, also out of two accounts",
    ([one, two]) => [one!, { ...two!, agentFile: one!.agentFile }],
    /clerk and buyer read the same inbox/,
  ],
  ["nobody", () => [], /no agent to run/],
])("refuses %s, and leaves the journal free", async (_, of, words) => {
  refusable ??= (await household("refused")).members;
  const members = refusable;
  const error = await openHousehold({ members: of(members) }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toMatch(words);
  await (await openHousehold({ members })).close();
});
let refusable: readonly Member[] | undefined;
const linkedOver = (member: Member, relay: string): Member => ({
  ...member,
  config: { ...member.config, wallets: { relay, name: "Bursar", description: "", url: "https://localhost" } },
});

test("is run by `bursar run` with a configuration for each, and commands name one of them", async () => {
  const { worlds } = await household("command");
  const place = join(folder, "command");
  const source = pathToFileURL(join(import.meta.dirname, "../../src/agents/treasurer.ts")).href;
  for (const name of names)
    writeFileSync(
      join(place, name, "agent.mjs"),
      `import { treasurer } from ${JSON.stringify(source)};\nexport default treasurer({ name: "${name}", inbox: "./inbox", mailSettings: "./mail.json" });\n`,
    );
  const words = names.map((name) => `${name}/agent.mjs=${name}/bursar.json`);
  const first = await bursarIn(place, "run", words[0]!, "--once");
  expect(first.stdout).toMatch(/^1 {2}1\.eml/m);
  await bursarIn(place, "pause", "--state", "state", "--agent", "cook");
  const { status, stderr, stdout } = await bursarIn(place, "run", ...words, "--once", "--json");
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { agent?: string; outcome?: string; total?: unknown });
  expect(lines.map(({ agent, outcome, total }) => (total ? "total" : `${agent} ${outcome}`))).toEqual([
    "buyer paid",
    "buyer paid",
    "total",
  ]);
  expect(stderr).toMatch(/^cook: paused/m);
  expect(status).toBe(0);
  expect(await Promise.all(worlds.map(async (world) => (await operationsOf(world)).length))).toEqual([
    2, 2, 0,
  ]);
});
