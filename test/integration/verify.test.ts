import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { canonicalize } from "../../src/core/canonical.ts";
import { entryHash, genesisHash } from "../../src/core/entry.ts";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { JournalDatabase } from "../../src/journal/openJournal.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import type { House } from "../../src/runtime/house.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld, startingUnits, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-verify-"));
let chain: LocalChain;
/** Paid, held, refused, paid, refused; anchored. */
let house: House;
let journal: JournalDatabase;
beforeAll(async () => {
  chain = await startLocalChain();
  const world = await makeWorld(chain, "verified");
  const state = join(folder, world.name);
  writeInbox(state, {
    "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
    "2.eml": billMail({ to: "acme", amount: "some", reference: "N-1" }),
    "3.eml": billMail({ to: "globex", amount: "500.01", reference: "G-1" }),
    "4.eml": billMail({ to: "globex", amount: "7.25", reference: "G-7" }),
    "5.eml": billMail({ to: "globex", amount: "500.02", reference: "G-8" }),
  });
  house = openHouse(world, { state });
  ({ journal } = house);
  await decideAll(house, state);
  await anchorDecisions(house);
});
afterAll(async () => {
  journal.close();
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

// Each forgery is made in a transaction that is taken back.
beforeEach(() => journal.run("begin"));
afterEach(() => journal.run("rollback"));

/** Every sentence about what is wrong, those of decisions with their number. */
async function failures(of: House = house): Promise<readonly string[]> {
  const verified = await verifyDecisions(of);
  return [
    ...verified.failures,
    ...verified.decisions.flatMap((check) => check.failures.map((why) => `${check.sequence}: ${why}`)),
  ];
}

const idOf = (position: number) =>
  allDecisions(journal, "treasurer").find((decision) => decision.position === position)!.id;

function patch(position: number, step: string, change: (value: never) => unknown): void {
  const value = change(outputOf(journal, idOf(position), step) as never) as Json;
  journal.run("insert or replace into output values (?, ?, ?)", idOf(position), step, canonicalize(value));
}

/** Changes the audit log and makes its chain of hashes whole again, as whoever holds the file can. */
function rewriteEntries(change: (entry: { kind: string; body: JsonObject }) => JsonObject | null): void {
  const entries = readEntries(journal);
  journal.run("delete from entry");
  let previousHash = genesisHash;
  let sequence = 0;
  for (const { agent, body, kind } of entries) {
    const kept = change({ kind, body });
    if (kept === null) continue;
    const entry = { sequence: ++sequence, agent, kind, body: kept, previousHash };
    previousHash = entryHash(entry);
    journal.run(
      "insert into entry values (?, ?, ?, ?, ?, ?)",
      sequence,
      agent,
      kind,
      canonicalize(kept),
      entry.previousHash,
      previousHash,
    );
  }
}

/** Rewrites the lines of one kind of one decision. */
const rewriteLine = (position: number, kind: string, change: JsonObject) => {
  const id = idOf(position);
  rewriteEntries((entry) =>
    entry.kind === kind && entry.body["decision"] === id ? { ...entry.body, ...change } : entry.body,
  );
};

function setOutcome(position: number, outcome: string): void {
  patch(position, "record", () => ({ outcome }));
  journal.run(
    "update decision set snapshot = json_set(snapshot, '$.context.outcome', ?) where position = ?",
    outcome,
    position,
  );
  journal.run(
    "update payment set state = ? where decision = ?",
    outcome === "paid" ? "paid" : "void",
    idOf(position),
  );
  rewriteLine(position, "recorded", { outcome });
}

const everyTable = ["output", "operation", "payment"] as const;
function forget(position: number, tables: readonly string[] = everyTable): void {
  const id = idOf(position);
  for (const table of tables) journal.run(`delete from ${table} where decision = ?`, id);
}

test("an honest journal has no failures", async () => {
  expect(reportsOf(house).map(({ outcome }) => outcome)).toEqual([
    "paid",
    "held",
    "refused",
    "paid",
    "refused",
  ]);
  expect(await failures()).toEqual([]);
  const { decisions, journalEntries } = await verifyDecisions(house);
  expect(journalEntries).toBe(readEntries(journal).length);
  expect(decisions.map(({ inference, onChain }) => [inference, onChain])).toEqual(
    Array.from({ length: 5 }, () => ["EXACT", true]),
  );
});

describe("what the decision follows from", () => {
  test("an action the model did not write", async () => {
    patch(1, "parse", (action: JsonObject) => ({ ...action, amount: "4250.00" }));
    expect(await failures()).toContain("1: The action is not what the model wrote.");
  });

  test("a text that the model did not write", async () => {
    patch(1, "infer", ({ inference }: { inference: { text: string } }) => ({
      inference: { ...inference, text: inference.text.replace("42.50", "41.50") },
    }));
    const found = await failures();
    expect(found).toContain("1: The action is not what the model wrote.");
    expect(found).toContainEqual(expect.stringMatching(/^1: The model writes something else/));
  });

  test("a prompt, a grammar, a sampling that are not the agent's", async () => {
    patch(2, "infer", ({ inference }: { inference: { prompt: JsonObject } }) => ({
      inference: {
        ...inference,
        sampling: { kind: "sampled", temperatureMilli: 1, topK: 1, topPMilli: 1, seed: 1 },
        prompt: { ...inference.prompt, messages: [{ role: "user", content: "?" }], grammar: "root ::= x" },
      },
    }));
    const found = await failures();
    for (const why of [
      "The model was asked something else than the observation.",
      "The model wrote under another grammar or limit than the agent's.",
      "The model's tokens were not chosen greedily.",
    ])
      expect(found).toContain(`2: ${why}`);
  });

  test("a message that is said to be too long and is not", async () => {
    patch(2, "infer", () => ({ tooLong: "too long" }));
    expect(await failures()).toContain(
      "2: The record says that the message was too long for the model, which reads it.",
    );
  });

  test("a verdict that the judge does not give", async () => {
    patch(3, "judge", () => ({ kind: "allow", reasons: [] }));
    expect(await failures()).toContain('3: The verdict is "allow"; the judge says "deny, over-per-payment".');
    patch(1, "judge", () => ({
      kind: "deny",
      reasons: [{ code: "balance", words: "", enforcedBy: "chain" }],
    }));
    expect(await failures()).toContain('1: The verdict is "deny"; the judge says "allow".');
  });

  test("an observation that is not the trigger's", async () => {
    patch(3, "observe", (observation: { facts: JsonObject }) => ({
      ...observation,
      facts: { ...observation.facts, "mail.from": { value: "x@evil.example", provenance: "untrusted" } },
    }));
    const found = await failures();
    expect(found).toContain("3: The observation's mail.from is not the trigger's.");
    expect(found).toContain("3: The record's observation.digest is not what the journal holds.");
  });

  test.each([
    "header.chainId",
    "header.account",
    "header.agent",
    "header.agentName",
    "header.index",
    "header.previousLeaf",
    "header.blockHash",
    "trigger.kind",
    "trigger.id",
    "policy.documentHash",
    "policy.policyId",
    "execution.calls",
    "execution.nonce",
    "made.up",
  ])("a record with another %s", async (path) => {
    patch(4, "seal", (sealed: { fields: JsonObject }) => ({
      ...sealed,
      fields: { ...sealed.fields, [path]: "forged" },
    }));
    const found = await failures();
    expect(found).toContain("4: The record does not hash to its leaf.");
    expect(found).toContain(`4: The record's ${path} is not what the journal holds.`);
  });

  test("a bill that duplicates are compared with is another one", async () => {
    journal.run("update payment set reference = 'other' where decision = ?", idOf(1));
    expect(await failures()).toContain("1: The journal's payment is not the one that was decided.");
  });
});

describe("a decision that was taken out", () => {
  test("alone", async () => {
    journal.run("delete from decision where position = 3");
    const found = await failures();
    expect(found).toContain("Decision 3 is missing from the journal.");
    expect(found).toContain("Leaf 2 has no finished decision.");
    expect(found).toContain('The decision about "3.eml" is missing from the journal.');
  });

  test("with its trigger, outputs and lines", async () => {
    const id = idOf(3);
    const trigger = allDecisions(journal, "treasurer")[2]!.triggerId;
    forget(3);
    journal.run("delete from trigger_ where decision = ?", id);
    rewriteEntries(({ body }) => (body["decision"] === id || body["dedupeId"] === trigger ? null : body));
    journal.run("delete from decision where id = ?", id);
    journal.run("update decision set position = position - 1 where position > 3");
    expect(await failures()).toEqual(["Leaf 2 has no finished decision."]);
  });

  test.each(["observe", "infer", "parse", "judge", "seal", "record"])(
    "as far as its output of %s",
    async (step) => {
      journal.run("delete from output where decision = ? and step = ?", idOf(2), step);
      expect(await failures()).toEqual([`2: The journal has no output of the step ${step}.`]);
    },
  );

  test("the last ones, whole, with their leaves: the chain still holds their root and operation", async () => {
    const triggers = allDecisions(journal, "treasurer").slice(3);
    for (const position of [5, 4]) forget(position, [...everyTable, "leaf"]);
    for (const { id, triggerId } of triggers) {
      journal.run("delete from decision where id = ?", id);
      journal.run("delete from trigger_ where dedupe_id = ?", triggerId);
      rewriteEntries(({ body, kind }) =>
        body["decision"] === id || body["dedupeId"] === triggerId || kind === "anchored" ? null : body,
      );
    }
    expect(await failures()).toEqual([
      expect.stringMatching(
        /^Transaction 0x\w+ executed an operation of the agent that no decision tells of\.$/,
      ),
      "The chain has 4 decisions committed, and the journal holds 3.",
      "The chain has 5 decisions anchored, and the journal holds 3.",
      "2: The leaf is under no root on the chain.",
      "3: The leaf is under no root on the chain.",
    ]);
  });

  test("by saying that it is not finished", async () => {
    journal.run("update decision set done = 0 where position = 4");
    const found = await failures();
    expect(found).toContain("Leaf 3 has no finished decision.");
    expect(found).toContainEqual(expect.stringMatching(/records decision 4, which is not finished/));
  });
});

describe("an outcome that is not the chain's", () => {
  test("paid, told as held", async () => {
    forget(4, ["operation", "payment"]);
    journal.run("delete from output where decision = ? and step in ('sign', 'send', 'settle')", idOf(4));
    patch(4, "parse", () => ({ action: "hold", reason: "unclear" }));
    setOutcome(4, "held");
    const found = await failures();
    expect(found).toContain("4: The action is not what the model wrote.");
    expect(found).toContainEqual(
      expect.stringContaining("an operation of the agent that no decision tells of"),
    );
  });

  test("paid, told as held beside its operation", async () => {
    setOutcome(1, "held");
    expect(await failures()).toEqual(['1: The decision is recorded as "held" and ended as "paid".']);
  });

  test("paid, told as refused by the chain", async () => {
    forget(4, ["operation"]);
    patch(4, "sign", () => ({ refusal: { code: "AA23", error: "Frozen()", words: "frozen" } }));
    journal.run("delete from output where decision = ? and step in ('send', 'settle')", idOf(4));
    setOutcome(4, "refused");
    expect(await failures()).toContainEqual(
      expect.stringContaining("an operation of the agent that no decision tells of"),
    );
  });

  test("paid, told as reverted", async () => {
    patch(1, "settle", ({ receipt }: { receipt: JsonObject }) => ({
      receipt: { ...receipt, outcome: "reverted", revertReason: "(no reason given)", gasUsed: "1" },
    }));
    rewriteLine(1, "settled", { outcome: "reverted" });
    setOutcome(1, "reverted");
    expect(await failures()).toEqual([
      expect.stringMatching(/^1: The receipt's gasUsed is 1; on the chain it is \d+\.$/),
      "1: The receipt's outcome is reverted; on the chain it is success.",
      "1: The receipt's revertReason is (no reason given); on the chain it is none.",
      '1: The decision is recorded as "reverted" and ended as "paid".',
    ]);
  });

  test("paid, told as expired", async () => {
    patch(1, "settle", ({ receipt }: { receipt: JsonObject }) => ({
      receipt: { outcome: "expired", userOpHash: receipt["userOpHash"], blockNumber: "9" },
    }));
    setOutcome(1, "expired");
    expect(await failures()).toContain('1: The decision is recorded as "expired" and ended as "paid".');
  });

  test("refused, told as paid", async () => {
    patch(3, "settle", () => outputOf(journal, idOf(1), "settle"));
    setOutcome(3, "paid");
    const found = await failures();
    expect(found).toContain('3: The decision is recorded as "paid" and has an operation.');
    expect(found).toContain('3: The decision is recorded as "paid" and ended as "refused".');
  });

  test("a receipt of another transaction", async () => {
    patch(1, "settle", () => outputOf(journal, idOf(4), "settle"));
    const found = await failures();
    expect(found).toContainEqual(expect.stringMatching(/^1: The receipt's transaction is 0x/));
    expect(found).toContainEqual(expect.stringMatching(/^1: The receipt's userOpHash is 0x/));
  });

  test("an operation that is not the one on the chain", async () => {
    const change = (text: string) => text.replace(/"callGasLimit":"0x\w+"/, '"callGasLimit":"0x1"');
    patch(1, "sign", (signed) => JSON.parse(change(JSON.stringify(signed))) as Json);
    const body = String(journal.get("select body from operation where decision = ?", idOf(1))?.["body"]);
    journal.run("update operation set body = ? where decision = ?", change(body), idOf(1));
    const found = await failures();
    expect(found).toContain("1: The operation's hash is not its content's.");
    expect(found).toContain("1: The agent did not sign this operation for this decision.");
    expect(found).toContain("1: The operation's receipt is not on the chain.");
  });

  test("an operation with a hash of its own invention", async () => {
    journal.run("update operation set user_op_hash = '0x00' where decision = ?", idOf(1));
    const found = await failures();
    expect(found).toContain("1: The operation's hash is not its content's.");
    expect(found).toContainEqual(expect.stringContaining("that no decision tells of"));
  });
});

describe("an audit log", () => {
  test("without a decision's lines", async () => {
    const id = idOf(4);
    rewriteEntries(({ body }) => (body["decision"] === id ? null : body));
    expect(await failures()).toEqual([
      "4: The audit log tells nothing; the decision has observed, inferred, parsed, judged, sealed, signed, sent, settled, recorded.",
    ]);
  });

  test("whose tail was cut", async () => {
    const last = idOf(5);
    let cut = false;
    rewriteEntries(({ body, kind }) => {
      cut ||= body["decision"] === last && kind === "sealed";
      return cut ? null : body;
    });
    expect(await failures()).toEqual([
      "5: The audit log tells observed, inferred, parsed, judged; the decision has observed, inferred, parsed, judged, sealed, recorded.",
    ]);
  });

  test.each([
    ["observed", { digest: "0x00" }, "digest"],
    ["inferred", { text: "{}" }, "text"],
    ["parsed", { action: { action: "hold", reason: "unclear" } }, "action"],
    ["judged", { verdict: "deny" }, "verdict"],
    ["sealed", { treeRoot: "0x00" }, "treeRoot"],
    ["signed", { userOpHash: "0x00" }, "userOpHash"],
    ["sent", { answer: "refused" }, "answer"],
    ["settled", { outcome: "reverted" }, "outcome"],
    ["recorded", { outcome: "held" }, "outcome"],
  ])("whose line %s says something else", async (kind, change, field) => {
    rewriteLine(1, kind, change);
    expect(await failures()).toEqual([
      `1: The audit log's "${kind}" has another ${field} than the decision.`,
    ]);
  });

  test("of decisions and triggers that are not there", async () => {
    const [first] = allDecisions(journal, "treasurer");
    rewriteEntries(({ body, kind }) => {
      if (body["decision"] === first!.id && kind === "sent") return { ...body, decision: "0x00" };
      return kind === "trigger" && body["dedupeId"] === first!.triggerId ? null : body;
    });
    const found = await failures();
    expect(found).toContainEqual(expect.stringMatching(/\(sent\) tells of a decision that is missing/));
    expect(found).toContainEqual(expect.stringMatching(/does not tell of the trigger mail:0x\w+ once/));
  });

  test("of an anchor that is not on the chain", async () => {
    rewriteEntries(({ body, kind }) => (kind === "anchored" ? { ...body, size: 4 } : body));
    const found = await failures();
    expect(found).toContainEqual(expect.stringMatching(/says was anchored is not on the chain/));
    expect(found).toContainEqual(expect.stringMatching(/which is not the journal's tree/));
  });
});

test("a leaf that contradicts the roots on the chain", async () => {
  journal.run("update leaf set leaf = ? where position = 1", `0x${"22".repeat(32)}`);
  const found = await failures();
  expect(found).toContain("The root committed on the chain for 4 decisions is not the journal's.");
  expect(found).toContain("The root anchored on the chain for 5 decisions is not the journal's.");
  expect(found).toContain("2: The leaf is not at its place in the agent's tree.");
});

/** Another house, whose bundler comes in between. */
async function houseWith(name: string, bundlerOf: (own: Bundler, world: World) => Bundler) {
  const world = await makeWorld(chain, name);
  const state = join(folder, name);
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
  const own = ownBundler(world.chain, { executor: world.purse });
  const other = openHouse(world, { state, bundler: bundlerOf(own, world) });
  return { other, outcomes: (await decideAll(other, state)).map(({ outcome }) => outcome) };
}

test("an honest reverted payment has no failures; told as paid, it has", async () => {
  const { other, outcomes } = await houseWith("verified-reverted", (own, world) => ({
    ...own,
    // The owner takes the money away after the judge has seen it.
    async send(userOp) {
      await sendTransaction(world.chain, world.owner, {
        to: world.account,
        data: encodeFunctionData({
          abi: agentAccountAbi,
          functionName: "withdraw",
          args: [tokenAddress, world.owner.address, startingUnits],
        }),
      });
      return own.send(userOp);
    },
  }));
  try {
    expect(outcomes).toEqual(["reverted"]);
    expect(await failures(other)).toEqual([]);
    other.journal.run(
      "update output set value = replace(value, 'reverted', 'success') where step = 'settle'",
    );
    other.journal.run("update output set value = replace(value, 'reverted', 'paid') where step = 'record'");
    other.journal.run("update decision set snapshot = replace(snapshot, 'reverted', 'paid')");
    const found = await failures(other);
    expect(found).toContain("1: The receipt's outcome is success; on the chain it is reverted.");
    expect(found).toContain('1: The decision is recorded as "paid" and ended as "reverted".');
  } finally {
    other.journal.close();
  }
});

test("an honest expired payment has no failures; told as paid, it has", async () => {
  let sent = 0;
  const { other, outcomes } = await houseWith("verified-expired", (own, world) => ({
    ...own,
    // Forgets the first operation; meanwhile five minutes of blocks go by.
    async send(userOp) {
      if (sent++ > 0) return own.send(userOp);
      for (let block = 0; block < 310; block++) await chain.request({ method: "evm_mine" });
      return userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
    },
  }));
  try {
    expect(outcomes).toEqual(["expired", "paid"]);
    expect(await failures(other)).toEqual([]);
    const [first, second] = allDecisions(other.journal, "treasurer");
    const receipt = other.journal.get(
      "select value from output where step = 'settle' and decision = ?",
      second!.id,
    );
    other.journal.run(
      "update output set value = ? where step = 'settle' and decision = ?",
      receipt!["value"]!,
      first!.id,
    );
    other.journal.run(
      `update output set value = '{"outcome":"paid"}' where step = 'record' and decision = ?`,
      first!.id,
    );
    const found = await failures(other);
    expect(found).toContain('1: The decision is recorded as "paid" and ended as "expired".');
    expect(found).toContain("1: The operation's receipt is not on the chain.");
  } finally {
    other.journal.close();
  }
});

test("a row of a wrong shape is a failure, not a crash", async () => {
  patch(1, "observe", () => "nothing");
  patch(4, "sign", () => ({ operation: 1 }));
  journal.run("update output set value = '{ }' where decision = ? and step = 'judge'", idOf(2));
  const found = await failures();
  for (const why of ["1: The record can't be checked", "2: The evidence can't be checked"])
    expect(found).toContainEqual(expect.stringContaining(why));
  expect(found).toContain("4: The operation is not the one that was signed.");
});
