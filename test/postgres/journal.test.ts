import { join } from "node:path";

import type { Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { sha256Hex } from "../../src/core/hash.ts";
import { canonicalize } from "../../src/core/canonical.ts";
import type { LinkRequest } from "../../src/core/linkStore.ts";
import type { Operation } from "../../src/core/operation.ts";
import type { Trigger } from "../../src/core/trigger.ts";
import * as decisions from "../../src/journal/decisions.ts";
import { appendEntry, noteOnce, readEntries, verifyEntries } from "../../src/journal/entries.ts";
import { heldLanes, holdLane, laneStateOf, releaseLane } from "../../src/journal/lanes.ts";
import { addLeaf, leafRowsOf, leavesOf, nextLeaf } from "../../src/journal/leaves.ts";
import { openLinkStore } from "../../src/journal/linkStore.ts";
import { keepMemories, memoriesIn } from "../../src/journal/memories.ts";
import { notesUnder } from "../../src/journal/notes.ts";
import { openJournal, type JournalDatabase } from "../../src/journal/openJournal.ts";
import * as operations from "../../src/journal/operations.ts";
import { isPaused, setPaused } from "../../src/journal/pauses.ts";
import { paymentRowOf, putPayment, setPaymentState, standingPayments } from "../../src/journal/payments.ts";
import { isQuarantined, quarantine, quarantinedIn, release } from "../../src/journal/quarantine.ts";
import { query } from "../../src/journal/query.ts";
import { migrate, schemaVersion, versionOf } from "../../src/journal/schema.ts";
import * as triggers from "../../src/journal/triggers.ts";
import { openPostgresJournal } from "./openJournal.ts";
import { startPostgres, type Postgres } from "./startPostgres.ts";

let postgres: Postgres;
let there: JournalDatabase;
let here: JournalDatabase;
beforeAll(async () => {
  postgres = await startPostgres();
  there = openPostgresJournal(postgres);
  here = openJournal(join(postgres.socket, "journal.db"));
});
afterAll(async () => {
  here.close();
  there.close();
  await postgres.stop();
});

const mail = (name: string): Trigger => ({
  kind: "mail",
  dedupeId: `mail:${name}`,
  label: `${name}.eml`,
  payload: { subject: `"${name}" — é`, nested: [1, null] },
});
const operation = (name: string, nonce: Hex = "0x11") =>
  ({ userOpHash: sha256Hex(name), userOp: { nonce, signature: "0x" } }) as unknown as Operation;
const alarm = { agent: "clerk", lane: "0xAA/0xBB", next: "0x2", foreign: null } as const;
const payment = (decision: string, payee: string) => ({
  decision,
  payee,
  address: "0xac",
  reference: "INV-1",
  references: ["INV-1", "AC 7"],
  at: 1_700_000_000,
  asset: "USDC",
  amountUnits: "115792089237316195423570985008687907853269984665640564039457584007913129639935",
  words: "42.50 USDC",
});

/** Everything that the journal's functions do and tell, in the order of a life. */
const life: Readonly<Record<string, (journal: JournalDatabase) => unknown>> = {
  "an empty journal": (journal) => [
    versionOf(journal) === String(schemaVersion),
    verifyEntries(journal),
    nextLeaf(journal, "clerk"),
    decisions.agentsIn(journal),
    triggers.nextTrigger(journal, "clerk", 0),
  ],
  "triggers taken in once, in order": (journal) => [
    ["b", "a", "b", "Z", "É"].map((name) => triggers.addTrigger(journal, "clerk", mail(name))),
    triggers.addTrigger(journal, "other", mail("c")),
    triggers.countWaiting(journal, "clerk"),
    triggers.nextTrigger(journal, "clerk", 0),
    triggers.knowsTrigger(journal, "clerk", "mail:a"),
    triggers.triggerRowsOf(journal, "clerk"),
  ],
  "how far a source was read": (journal) => [
    triggers.cursorOf(journal, "clerk", "chain"),
    triggers.addUpTo(journal, "clerk", "chain", 2 ** 40, [mail("d")]),
    triggers.addUpTo(journal, "clerk", "chain", 2 ** 50, [mail("d")]),
    triggers.cursorOf(journal, "clerk", "chain"),
  ],
  "a decision from its trigger on": (journal) => [
    journal.atomically(() => {
      const start = { agent: "clerk", machine: "decision@1", snapshot: { value: "observing" } };
      decisions.startDecision(journal, { ...start, id: "one", triggerId: "mail:b" });
      decisions.putEffect(journal, { decision: "one", id: "observe", source: "observe" });
      decisions.putEffect(journal, { decision: "one", id: "infer", source: "infer" });
    }),
    decisions.effectsOf(journal, "one"),
    journal.atomically(() => {
      decisions.putOutput(journal, "one", "observe", { facts: { "mail.subject": "é" } });
      decisions.deleteEffect(journal, "one", "observe");
      decisions.saveSnapshot(journal, "one", {
        machine: "decision@2",
        snapshot: { value: "inferring" },
        done: false,
      });
      appendEntry(journal, "clerk", "observed", { decision: "one" });
    }),
    decisions.outputOf(journal, "one", "observe"),
    decisions.outputOf(journal, "one", "infer"),
    decisions.effectsOf(journal, "one"),
    decisions.decisionOf(journal, "one"),
    decisions.openDecision(journal, "clerk"),
    decisions.openDecision(journal, "other"),
    decisions.isDeciding(journal),
    triggers.nextTrigger(journal, "clerk", 0),
  ],
  "what is not settled, quarantined and released": (journal) => [
    journal.atomically(() => quarantine(journal)),
    quarantinedIn(journal),
    isQuarantined(journal, "mail:b"),
    triggers.nextTrigger(journal, "clerk", 0),
    release(journal, ["mail:a", "mail:nothing"]),
    triggers.nextTrigger(journal, "clerk", 0),
    release(journal, "all"),
    quarantinedIn(journal),
  ],
  "leaves in their tree": (journal) => [
    journal.atomically(() => addLeaf(journal, "clerk", "one", sha256Hex("1"))),
    journal.atomically(() => addLeaf(journal, "clerk", "two", sha256Hex("2"))),
    nextLeaf(journal, "clerk"),
    leavesOf(journal, "clerk"),
    leafRowsOf(journal, "clerk"),
  ],
  "an operation, its fee bumps and its end": (journal) => [
    operations.putOperation(journal, "one", "lane", operation("one")),
    operations.putSibling(journal, "one", "lane", operation("dearer")),
    operations.putSibling(journal, "one", "lane", operation("dearest")),
    operations.setOperationState(journal, operation("one").userOpHash, "sent"),
    operations.operationRowOf(journal, "one"),
    operations.operationsFor(journal, "one"),
    operations.setOperationState(journal, operation("one").userOpHash, "settled"),
    operations.nextNonceIn(journal, "lane"),
    operations.putOperation(journal, "two", "lane", operation("two", "0x12")),
    operations.nextNonceIn(journal, "lane"),
    operations.decisionsBetween(journal, "lane", "0x11", "0x12"),
    operations.decisionsBetween(journal, "lane", "0x11", "0x13"),
    operations.operationsIn(journal),
    operations.operationOf(journal, "nothing"),
  ],
  "payments and what stands of them": (journal) => [
    ["one", "two", "three"].map((decision) => putPayment(journal, "clerk", payment(decision, "acme"))),
    setPaymentState(journal, "one", "paid"),
    setPaymentState(journal, "two", "void"),
    standingPayments(journal, "clerk", { payee: "acme", address: "0xac" }, ["acme"]),
    standingPayments(journal, "clerk", { payee: "acme-hosting", address: "0xac" }, ["acme-hosting"]),
    paymentRowOf(journal, "two"),
  ],
  "memories, replaced as a whole": (journal) => {
    const memory = (name: string, value: string) => {
      const provenance = "untrusted" as const;
      return { name, value, provenance, digest: sha256Hex(canonicalize(value)) };
    };
    keepMemories(journal, "clerk", [memory("b", "first"), memory("a", "second")]);
    keepMemories(journal, "clerk", [memory("z", "é"), memory("a", "changed")]);
    return memoriesIn(journal, "clerk");
  },
  "a lane that is held": (journal) => [
    holdLane(journal, alarm),
    heldLanes(journal),
    releaseLane(journal, alarm.lane),
    laneStateOf(journal, alarm.lane),
    heldLanes(journal),
  ],
  "notes, pauses and their order": (journal) => [
    ["b", "B", "a b", "é", "~"].map((key) => noteOnce(journal, "clerk", key, "noted", { key })),
    noteOnce(journal, "clerk", "b", "noted", {}),
    notesUnder(journal, "note:"),
    setPaused(journal, "clerk", true),
    isPaused(journal, "clerk"),
    setPaused(journal, "clerk", false),
    isPaused(journal, "clerk"),
  ],
  "retries, as many as there may be, and when": (journal) => [
    ["1", "2", "3", "4"].map((leaf) =>
      journal.atomically(() =>
        triggers.retryTrigger(journal, "clerk", mail("b"), sha256Hex(leaf), (before) => 1000 + before),
      ),
    ),
    triggers.untilNextTrigger(journal, "nobody", 999),
    triggers.untilNextTrigger(journal, "clerk", 999),
    [999, 1000, 1001, 2 ** 50].map((atMs) => triggers.nextTrigger(journal, "clerk", atMs)),
  ],
  "the end, and what a verifier reads": (journal) => [
    decisions.saveSnapshot(journal, "one", {
      machine: "decision@2",
      snapshot: { value: "done" },
      done: true,
    }),
    decisions.isDeciding(journal),
    decisions.allDecisions(journal, "clerk"),
    decisions.decisionNumber(journal, 1),
    decisions.decisionNumbers(journal),
    decisions.agentsIn(journal),
    decisions.decisionTables.map((table) => decisions.missingDecisions(journal, table)),
    readEntries(journal, 2, 3),
    verifyEntries(journal),
  ],
};

/** Rules that the tables keep, whoever writes: what breaks one, and what is thrown away with it. */
const broken: Readonly<Record<string, (journal: JournalDatabase) => void>> = {
  "a second live operation in a lane": (journal) =>
    operations.putOperation(journal, "three", "lane", operation("three", "0x13")),
  "an operation that comes back to life beside another": (journal) =>
    operations.setOperationState(journal, operation("one").userOpHash, "sent"),
  "a fee bump at another nonce": (journal) =>
    operations.putSibling(journal, "one", "lane", operation("other", "0x19")),
  "a second operation of a decision": (journal) =>
    operations.putOperation(journal, "one", "elsewhere", operation("four")),
  "a state that nobody knows": (journal) =>
    operations.setOperationState(journal, operation("one").userOpHash, "lost" as "sent"),
  "a result that is there": (journal) => decisions.putOutput(journal, "one", "observe", {}),
  "a second decision of a trigger": (journal) =>
    decisions.startDecision(journal, {
      id: "again",
      agent: "clerk",
      triggerId: "mail:b",
      machine: "decision@1",
      snapshot: {},
    }),
  "a second leaf of a decision": (journal) => void addLeaf(journal, "clerk", "one", sha256Hex("3")),
  "a second payment of a decision": (journal) => putPayment(journal, "clerk", payment("one", "acme")),
};

const names = ["entry", "trigger_", "cursor_", "memory", "decision", "output", "effect", "leaf"] as const;
const others = ["meta", "operation", "sibling", "payment", "link_value", "link_request"] as const;
const tables = [...names, ...others].map((table) =>
  query((store) => store.selectFrom(table as "meta").selectAll()),
);
/** All rows of all tables; the order of rows that nobody asked for is the store's own. */
const dump = (journal: JournalDatabase) =>
  tables.map((rows) =>
    journal
      .all(rows())
      .map((row) => canonicalize({ ...row }))
      .toSorted(),
  );

describe("the journal on Postgres", () => {
  it.each(Object.keys(life))("does as SQLite does: %s", (chapter) => {
    const [ours, theirs] = [life[chapter]!(here), life[chapter]!(there)];
    expect(theirs).toEqual(ours);
    expect(dump(there)).toEqual(dump(here));
  });

  it.each(Object.keys(broken))("refuses %s, and keeps nothing of its transaction", (rule) => {
    const before = dump(here);
    for (const journal of [here, there]) {
      const work = () =>
        journal.atomically(() => {
          appendEntry(journal, "clerk", "noted", { rule });
          broken[rule]!(journal);
        });
      expect(work).toThrow(/constraint/i);
      expect(dump(journal)).toEqual(before);
    }
  });

  it("keeps what the link to wallets keeps", async () => {
    const kept = await Promise.all(
      [here, there].map(async (journal) => {
        const { requests, store } = openLinkStore(
          journal,
          join(postgres.socket, "link.key"),
          () => `0x${"07".repeat(32)}`,
        );
        await store.set("keychain", "first");
        await store.set("keychain", "second");
        const asked: LinkRequest = {
          id: "ask:1",
          wireId: 2 ** 50,
          topic: "ab",
          chainId: 1,
          method: "personal_sign",
          account: null,
          digest: sha256Hex("asked"),
          expiresAt: 1_763_842_000,
          published: false,
          outcome: null,
        };
        const begun = [await requests.begin(asked), await requests.begin(asked)];
        await requests.published("ask:1");
        const settled = await requests.settle("ask:1", { outcome: "expired" });
        return [
          begun,
          settled,
          await requests.settle("ask:1", { outcome: "expired" }),
          await requests.all(),
          await store.entries(),
        ];
      }),
    );
    expect(kept[1]).toEqual(kept[0]);
    expect(dump(there)).toEqual(dump(here));
  });

  it("is opened again as it is", () => {
    const before = dump(there);
    migrate(there, "postgres");
    expect(dump(there)).toEqual(before);
  });

  it("refuses a schema that is newer than the program", () => {
    const newer = { ...there, get: () => ({ value: "99" }) as never };
    expect(() => migrate(newer, "postgres")).toThrow("The journal has schema 99");
  });
});
