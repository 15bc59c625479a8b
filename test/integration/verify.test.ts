import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { Json, JsonObject } from "../../src/core/json.ts";
import { allDecisions, outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { JournalDatabase } from "../../src/journal/openJournal.ts";
import { anchorDecisions } from "../../src/runtime/anchorDecisions.ts";
import type { House } from "../../src/runtime/house.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { everyTable, failuresOf, forgerOf } from "./forger.ts";
import { decideAll, openHouse, reportsOf } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { makeWorld } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-verify-"));
let chain: LocalChain;
/** Paid, held, refused, paid, refused; anchored. */
let house: House;
let journal: JournalDatabase;
let forger: ReturnType<typeof forgerOf>;
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
  forger = forgerOf(journal);
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

test("an honest journal has no failures", async () => {
  expect(reportsOf(house).map(({ outcome }) => outcome)).toEqual([
    "paid",
    "held",
    "refused",
    "paid",
    "refused",
  ]);
  expect(await failuresOf(house)).toEqual([]);
  const { decisions, journalEntries } = await verifyDecisions(house);
  expect(journalEntries).toBe(readEntries(journal).length);
  expect(decisions.map(({ inference, onChain }) => [inference, onChain])).toEqual(
    Array.from({ length: 5 }, () => ["EXACT", true]),
  );
});

describe("what the decision follows from", () => {
  test("an action the model did not write", async () => {
    forger.patch(1, "parse", (action: JsonObject) => ({ ...action, amount: "4250.00" }));
    expect(await failuresOf(house)).toContain("1: The action is not what the model wrote.");
  });

  test("a text that the model did not write", async () => {
    forger.patch(1, "infer", ({ inference }: { inference: { text: string } }) => ({
      inference: { ...inference, text: inference.text.replace("42.50", "41.50") },
    }));
    const found = await failuresOf(house);
    expect(found).toContain("1: The action is not what the model wrote.");
    expect(found).toContainEqual(expect.stringMatching(/^1: The model writes something else/));
  });

  test("a prompt, a grammar, a sampling that are not the agent's", async () => {
    forger.patch(2, "infer", ({ inference }: { inference: { prompt: JsonObject } }) => ({
      inference: {
        ...inference,
        sampling: { kind: "sampled", temperatureMilli: 1, topK: 1, topPMilli: 1, seed: 1 },
        prompt: { ...inference.prompt, messages: [{ role: "user", content: "?" }], grammar: "root ::= x" },
      },
    }));
    const found = await failuresOf(house);
    for (const why of [
      "The model was asked something else than the observation.",
      "The model wrote under another grammar or limit than the agent's.",
      "The model's tokens were not chosen greedily.",
    ])
      expect(found).toContain(`2: ${why}`);
  });

  test("a message that is said to be too long and is not", async () => {
    forger.patch(2, "infer", () => ({ tooLong: "too long" }));
    expect(await failuresOf(house)).toContain(
      "2: The record says that the message was too long for the model, which reads it.",
    );
  });

  test("a verdict that the judge does not give", async () => {
    forger.patch(3, "judge", () => ({ kind: "allow", reasons: [] }));
    expect(await failuresOf(house)).toContain(
      '3: The verdict is "allow"; the judge says "deny, over-per-payment".',
    );
    forger.patch(1, "judge", () => ({
      kind: "deny",
      reasons: [{ code: "balance", words: "", enforcedBy: "chain" }],
    }));
    expect(await failuresOf(house)).toContain('1: The verdict is "deny"; the judge says "allow".');
  });

  test("an observation that is not the trigger's", async () => {
    forger.patch(3, "observe", (observation: { facts: JsonObject }) => ({
      ...observation,
      facts: { ...observation.facts, "mail.from": { value: "x@evil.example", provenance: "untrusted" } },
    }));
    const found = await failuresOf(house);
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
    forger.patch(4, "seal", (sealed: { fields: JsonObject }) => ({
      ...sealed,
      fields: { ...sealed.fields, [path]: "forged" },
    }));
    const found = await failuresOf(house);
    expect(found).toContain("4: The record does not hash to its leaf.");
    expect(found).toContain(`4: The record's ${path} is not what the journal holds.`);
  });

  test("a bill that duplicates are compared with is another one", async () => {
    journal.run("update payment set reference = 'other' where decision = ?", forger.idOf(1));
    expect(await failuresOf(house)).toContain("1: The journal's payment is not the one that was decided.");
  });
});

describe("a decision that was taken out", () => {
  test("alone", async () => {
    journal.run("delete from decision where position = 3");
    const found = await failuresOf(house);
    expect(found).toContain("Decision 3 is missing from the journal.");
    expect(found).toContain("Leaf 2 has no finished decision.");
    expect(found).toContain('The decision about "3.eml" is missing from the journal.');
  });

  test("with its trigger, outputs and lines", async () => {
    const id = forger.idOf(3);
    const trigger = allDecisions(journal, "treasurer")[2]!.triggerId;
    forger.forget(3);
    journal.run("delete from trigger_ where decision = ?", id);
    forger.rewriteEntries(({ body }) =>
      body["decision"] === id || body["dedupeId"] === trigger ? null : body,
    );
    journal.run("delete from decision where id = ?", id);
    journal.run("update decision set position = position - 1 where position > 3");
    expect(await failuresOf(house)).toEqual(["Leaf 2 has no finished decision."]);
  });

  test.each(["observe", "infer", "parse", "judge", "seal", "record"])(
    "as far as its output of %s",
    async (step) => {
      journal.run("delete from output where decision = ? and step = ?", forger.idOf(2), step);
      expect(await failuresOf(house)).toEqual([`2: The journal has no output of the step ${step}.`]);
    },
  );

  test("the last ones, whole, with their leaves: the chain still holds their root and operation", async () => {
    const triggers = allDecisions(journal, "treasurer").slice(3);
    for (const position of [5, 4]) forger.forget(position, [...everyTable, "leaf"]);
    for (const { id, triggerId } of triggers) {
      journal.run("delete from decision where id = ?", id);
      journal.run("delete from trigger_ where dedupe_id = ?", triggerId);
      forger.rewriteEntries(({ body, kind }) =>
        body["decision"] === id || body["dedupeId"] === triggerId || kind === "anchored" ? null : body,
      );
    }
    expect(await failuresOf(house)).toEqual([
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
    const found = await failuresOf(house);
    expect(found).toContain("Leaf 3 has no finished decision.");
    expect(found).toContainEqual(expect.stringMatching(/records decision 4, which is not finished/));
  });
});

describe("an outcome that is not the chain's", () => {
  test("paid, told as held", async () => {
    forger.forget(4, ["operation", "payment"]);
    journal.run(
      "delete from output where decision = ? and step in ('sign', 'send', 'settle')",
      forger.idOf(4),
    );
    forger.patch(4, "parse", () => ({ action: "hold", reason: "unclear" }));
    forger.setOutcome(4, "held");
    const found = await failuresOf(house);
    expect(found).toContain("4: The action is not what the model wrote.");
    expect(found).toContainEqual(
      expect.stringContaining("an operation of the agent that no decision tells of"),
    );
  });

  test("paid, told as held beside its operation", async () => {
    forger.setOutcome(1, "held");
    expect(await failuresOf(house)).toEqual(['1: The decision is recorded as "held" and ended as "paid".']);
  });

  test("paid, told as refused by the chain", async () => {
    forger.forget(4, ["operation"]);
    forger.patch(4, "sign", () => ({ refusal: { code: "AA23", error: "Frozen()", words: "frozen" } }));
    journal.run("delete from output where decision = ? and step in ('send', 'settle')", forger.idOf(4));
    forger.setOutcome(4, "refused");
    expect(await failuresOf(house)).toContainEqual(
      expect.stringContaining("an operation of the agent that no decision tells of"),
    );
  });

  test("paid, told as reverted", async () => {
    forger.patch(1, "settle", ({ receipt }: { receipt: JsonObject }) => ({
      receipt: { ...receipt, outcome: "reverted", revertReason: "(no reason given)", gasUsed: "1" },
    }));
    forger.rewriteLine(1, "settled", { outcome: "reverted" });
    forger.setOutcome(1, "reverted");
    expect(await failuresOf(house)).toEqual([
      expect.stringMatching(/^1: The receipt's gasUsed is 1; on the chain it is \d+\.$/),
      "1: The receipt's outcome is reverted; on the chain it is success.",
      "1: The receipt's revertReason is (no reason given); on the chain it is none.",
      '1: The decision is recorded as "reverted" and ended as "paid".',
    ]);
  });

  test("paid, told as expired", async () => {
    forger.patch(1, "settle", ({ receipt }: { receipt: JsonObject }) => ({
      receipt: { outcome: "expired", userOpHash: receipt["userOpHash"], blockNumber: "9" },
    }));
    forger.setOutcome(1, "expired");
    expect(await failuresOf(house)).toContain(
      '1: The decision is recorded as "expired" and ended as "paid".',
    );
  });

  test("refused, told as paid", async () => {
    forger.patch(3, "settle", () => outputOf(journal, forger.idOf(1), "settle"));
    forger.setOutcome(3, "paid");
    const found = await failuresOf(house);
    expect(found).toContain('3: The decision is recorded as "paid" and has an operation.');
    expect(found).toContain('3: The decision is recorded as "paid" and ended as "refused".');
  });

  test("a receipt of another transaction", async () => {
    forger.patch(1, "settle", () => outputOf(journal, forger.idOf(4), "settle"));
    const found = await failuresOf(house);
    expect(found).toContainEqual(expect.stringMatching(/^1: The receipt's transaction is 0x/));
    expect(found).toContainEqual(expect.stringMatching(/^1: The receipt's userOpHash is 0x/));
  });

  test("an operation that is not the one on the chain", async () => {
    const change = (text: string) => text.replace(/"callGasLimit":"0x\w+"/, '"callGasLimit":"0x1"');
    forger.patch(1, "sign", (signed) => JSON.parse(change(JSON.stringify(signed))) as Json);
    const body = String(
      journal.get("select body from operation where decision = ?", forger.idOf(1))?.["body"],
    );
    journal.run("update operation set body = ? where decision = ?", change(body), forger.idOf(1));
    const found = await failuresOf(house);
    expect(found).toContain("1: The operation's hash is not its content's.");
    expect(found).toContain("1: The agent did not sign this operation for this decision.");
    expect(found).toContain("1: The operation's receipt is not on the chain.");
  });

  test("an operation with a hash of its own invention", async () => {
    journal.run("update operation set user_op_hash = '0x00' where decision = ?", forger.idOf(1));
    const found = await failuresOf(house);
    expect(found).toContain("1: The operation's hash is not its content's.");
    expect(found).toContainEqual(expect.stringContaining("that no decision tells of"));
  });
});

describe("an audit log", () => {
  test("without a decision's lines", async () => {
    const id = forger.idOf(4);
    forger.rewriteEntries(({ body }) => (body["decision"] === id ? null : body));
    expect(await failuresOf(house)).toEqual([
      "4: The audit log tells nothing; the decision has observed, inferred, parsed, judged, sealed, signed, sent, settled, recorded.",
    ]);
  });

  test("whose tail was cut", async () => {
    const last = forger.idOf(5);
    let cut = false;
    forger.rewriteEntries(({ body, kind }) => {
      cut ||= body["decision"] === last && kind === "sealed";
      return cut ? null : body;
    });
    expect(await failuresOf(house)).toEqual([
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
    forger.rewriteLine(1, kind, change);
    expect(await failuresOf(house)).toEqual([
      `1: The audit log's "${kind}" has another ${field} than the decision.`,
    ]);
  });

  test("of decisions and triggers that are not there", async () => {
    const [first] = allDecisions(journal, "treasurer");
    forger.rewriteEntries(({ body, kind }) => {
      if (body["decision"] === first!.id && kind === "sent") return { ...body, decision: "0x00" };
      return kind === "trigger" && body["dedupeId"] === first!.triggerId ? null : body;
    });
    const found = await failuresOf(house);
    expect(found).toContainEqual(expect.stringMatching(/\(sent\) tells of a decision that is missing/));
    expect(found).toContainEqual(expect.stringMatching(/does not tell of the trigger mail:0x\w+ once/));
  });

  test("of an anchor that is not on the chain", async () => {
    forger.rewriteEntries(({ body, kind }) => (kind === "anchored" ? { ...body, size: 4 } : body));
    const found = await failuresOf(house);
    expect(found).toContainEqual(expect.stringMatching(/says was anchored is not on the chain/));
    expect(found).toContainEqual(expect.stringMatching(/which is not the journal's tree/));
  });
});

test("a leaf that contradicts the roots on the chain", async () => {
  journal.run("update leaf set leaf = ? where position = 1", `0x${"22".repeat(32)}`);
  const found = await failuresOf(house);
  expect(found).toContain("The root committed on the chain for 4 decisions is not the journal's.");
  expect(found).toContain("The root anchored on the chain for 5 decisions is not the journal's.");
  expect(found).toContain("2: The leaf is not at its place in the agent's tree.");
});

test("a row of a wrong shape is a failure, not a crash", async () => {
  forger.patch(1, "observe", () => "nothing");
  forger.patch(4, "sign", () => ({ operation: 1 }));
  journal.run("update output set value = '{ }' where decision = ? and step = 'judge'", forger.idOf(2));
  const found = await failuresOf(house);
  for (const why of ["1: The evidence can't be checked", "2: The evidence can't be checked"])
    expect(found).toContainEqual(expect.stringContaining(why));
  expect(found).toContain("4: The operation is not the one that was signed.");
});
