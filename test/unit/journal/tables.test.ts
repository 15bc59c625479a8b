import { numberToHex, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { sha256Hex } from "../../../src/core/hash.ts";
import { treeRoot } from "../../../src/core/merkle.ts";
import type { Operation } from "../../../src/core/operation.ts";
import type { Trigger } from "../../../src/core/trigger.ts";
import {
  decisionOf,
  openDecision,
  outputOf,
  putOutput,
  saveSnapshot,
  startDecision,
} from "../../../src/journal/decisions.ts";
import { readEntries } from "../../../src/journal/entries.ts";
import { heldLanes, holdLane, laneStateOf, releaseLane } from "../../../src/journal/lanes.ts";
import { addLeaf, leavesOf, nextLeaf, noLeaf, treeOf } from "../../../src/journal/leaves.ts";
import {
  decisionsBetween,
  nextNonceIn,
  operationOf,
  operationsFor,
  putOperation,
  putSibling,
  setOperationState,
} from "../../../src/journal/operations.ts";
import { putPayment, setPaymentState, standingPayments } from "../../../src/journal/payments.ts";
import {
  addTrigger,
  knowsTrigger,
  longestPauseMs,
  nextTrigger,
  retryTrigger,
  triggerOf,
  untilNextTrigger,
} from "../../../src/journal/triggers.ts";
import { temporaryFolder, temporaryJournal } from "./temporary.ts";

const operation = (name: string): Operation => ({
  chainId: 31337,
  entryPoint: `0x${"4".repeat(40)}`,
  userOp: {
    sender: `0x${"a".repeat(40)}`,
    nonce: "0x1",
    callData: "0x",
    callGasLimit: "0x1",
    verificationGasLimit: "0x1",
    preVerificationGas: "0x1",
    maxFeePerGas: "0x1",
    maxPriorityFeePerGas: "0x1",
    signature: "0x",
  },
  userOpHash: sha256Hex(name),
  validAfter: 1,
  validUntil: 301,
  treeSize: 1,
  treeRoot: noLeaf,
});

describe("operations", () => {
  it("are given back to the byte", () => {
    const journal = temporaryJournal();
    putOperation(journal, "one", "lane", operation("one"));
    expect(operationOf(journal, "one")).toEqual(operation("one"));
    expect(operationOf(journal, "two")).toBeUndefined();
  });

  it("live one at a time in a lane, signed or sent, and beside each other in two", () => {
    const journal = temporaryJournal();
    putOperation(journal, "one", "lane", operation("one"));
    expect(() => putOperation(journal, "two", "lane", operation("two"))).toThrow(
      /UNIQUE constraint failed: operation.lane/,
    );
    setOperationState(journal, operation("one").userOpHash, "sent");
    expect(() => putOperation(journal, "two", "lane", operation("two"))).toThrow(/UNIQUE/);
    putOperation(journal, "two", "other lane", operation("two"));
  });

  it.each(["settled", "expired"] as const)(
    "make way in their lane when they are %s, and can't come back",
    (state) => {
      const journal = temporaryJournal();
      putOperation(journal, "one", "lane", operation("one"));
      setOperationState(journal, operation("one").userOpHash, state);
      putOperation(journal, "two", "lane", operation("two"));
      expect(() => setOperationState(journal, operation("one").userOpHash, "sent")).toThrow(/UNIQUE/);
    },
  );

  it("are one a decision, and know four states", () => {
    const journal = temporaryJournal();
    putOperation(journal, "one", "lane", operation("one"));
    expect(() => putOperation(journal, "one", "other lane", operation("two"))).toThrow(/UNIQUE/);
    expect(() => journal.run("update operation set state = 'lost'")).toThrow(/CHECK/);
  });
});

describe("a lane's nonces", () => {
  const sequenceOf = (nonce: bigint) => nonce & 0xffffn;
  /** The lane of the key 0x0a…: its numbers begin with a zero, which their text does not show. */
  const nonceAt = (sequence: bigint) => numberToHex((0x0an << 216n) + sequence);
  const put = (journal: ReturnType<typeof temporaryJournal>, name: string, sequence: bigint) => {
    const { userOp, ...same } = operation(name);
    const placed = { ...same, userOp: { ...userOp, nonce: nonceAt(sequence) } };
    putOperation(journal, name, "lane", placed);
    return placed.userOpHash;
  };

  it("go on behind what is spent, and again at what expired", () => {
    const journal = temporaryJournal();
    const next = () => sequenceOf(nextNonceIn(journal, "lane") ?? 0xffffn);
    expect(nextNonceIn(journal, "lane")).toBeUndefined();
    const seen: bigint[] = [];
    for (const [name, sequence, end] of [
      ["a", 9n, "settled"],
      ["b", 10n, "expired"],
      ["c", 10n, "expired"],
      ["d", 10n, "settled"],
      ["e", 255n, "settled"],
      ["f", 256n, "expired"],
    ] as const) {
      const hash = put(journal, name, sequence);
      seen.push(next());
      setOperationState(journal, hash, end);
      seen.push(next());
    }
    expect(seen).toEqual([10n, 10n, 11n, 10n, 11n, 10n, 11n, 11n, 256n, 256n, 257n, 256n]);
    expect(nextNonceIn(journal, "another lane")).toBeUndefined();
    expect(decisionsBetween(journal, "lane", nonceAt(10n), nonceAt(256n))).toEqual(["b", "c", "d", "e"]);
  });

  it("are found by an index, however long the lane is", () => {
    const journal = temporaryJournal();
    const plan = journal
      .all(
        "explain query plan select nonce from operation where lane = ? order by nonce desc limit 1",
        "lane",
      )
      .map(({ detail }) => detail);
    expect(plan).toEqual([expect.stringContaining("INDEX operation_lane (lane=?)")]);
  });
});

describe("siblings", () => {
  it("stand behind the operation that they bump, oldest first", () => {
    const journal = temporaryJournal();
    expect(operationsFor(journal, "one")).toEqual([]);
    putOperation(journal, "one", "lane", operation("one"));
    for (const name of ["more", "most"]) putSibling(journal, "one", "lane", operation(name));
    expect(operationsFor(journal, "one")).toEqual(["one", "more", "most"].map(operation));
    expect(operationOf(journal, "one")).toEqual(operation("one"));
    expect(nextNonceIn(journal, "lane")).toBe(2n);
  });

  it("are of a decision that has an operation, in its lane and at its nonce, and nothing else", () => {
    const journal = temporaryJournal();
    putOperation(journal, "one", "lane", operation("one"));
    const sibling = operation("more");
    expect(() => putSibling(journal, "two", "lane", sibling)).toThrow(/FOREIGN KEY/);
    expect(() => putSibling(journal, "one", "other lane", sibling)).toThrow(/FOREIGN KEY/);
    const elsewhere = { ...sibling, userOp: { ...sibling.userOp, nonce: "0x2" } } as const;
    expect(() => putSibling(journal, "one", "lane", elsewhere)).toThrow(/FOREIGN KEY/);
    putSibling(journal, "one", "lane", sibling);
    expect(() => putSibling(journal, "one", "lane", sibling)).toThrow(/UNIQUE/);
  });
});

describe("a lane", () => {
  const alarm = { agent: "clerk", lane: "account/key", next: "0x8", foreign: null } as const;

  it("is held until the operator releases it, and the audit log tells both once", () => {
    const journal = temporaryJournal();
    expect(laneStateOf(journal, "account/key")).toBeUndefined();
    holdLane(journal, alarm);
    expect(heldLanes(journal)).toEqual([{ ...alarm, state: "held" }]);
    releaseLane(journal, "account/key");
    releaseLane(journal, "account/key");
    releaseLane(journal, "another");
    expect(heldLanes(journal)).toEqual([]);
    expect(laneStateOf(journal, "account/key")).toEqual({ ...alarm, state: "released" });
    expect(readEntries(journal).map(({ body, kind }) => [kind, body["lane"], body["next"]])).toEqual([
      ["alarm", "account/key", "0x8"],
      ["released", "account/key", "0x8"],
    ]);
    holdLane(journal, { ...alarm, next: "0x9" });
    expect(heldLanes(journal)).toHaveLength(1);
  });
});

describe("leaves", () => {
  it("grow to the same root as the whole tree, each agent's for itself", () => {
    const journal = temporaryJournal();
    const leaves: Hex[] = [];
    for (let index = 0; index < 40; index++) {
      expect(nextLeaf(journal, "clerk")).toEqual({ index, previous: leaves.at(-1) ?? noLeaf });
      leaves.push(sha256Hex(`leaf ${index}`));
      const grown = journal.atomically(() => addLeaf(journal, "clerk", `decision ${index}`, leaves[index]!));
      expect(grown).toEqual({ size: index + 1, root: treeRoot(leaves) });
    }
    expect(leavesOf(journal, "clerk")).toEqual(leaves);
    expect(addLeaf(journal, "other", "first", leaves[0]!)).toEqual({ size: 1, root: leaves[0] });
  });

  it("grow on what stands, whatever a transaction that was undone has added", () => {
    const journal = temporaryJournal();
    const grow = (name: string) => addLeaf(journal, "clerk", name, sha256Hex(name));
    const names = ["a", "b", "c"];
    for (const name of names) grow(name);
    const undone = () =>
      journal.atomically(() => {
        grow("undone");
        throw new Error("cut off");
      });
    expect(undone).toThrow("cut off");
    expect(treeOf(journal, "clerk")).toEqual({ size: 3, root: treeRoot(names.map(sha256Hex)) });
    expect(grow("d")).toEqual({ size: 4, root: treeRoot([...names, "d"].map(sha256Hex)) });
    journal.close();
  });

  it("cost a decision no more the more there are", () => {
    const journal = temporaryJournal();
    let read = 0;
    const counting = {
      ...journal,
      all: ((...given: Parameters<typeof journal.all>) => {
        const rows = journal.all(...given);
        read += rows.length;
        return rows;
      }) as typeof journal.all,
    };
    const readBy = (index: number) => {
      read = 0;
      journal.atomically(() => addLeaf(counting, "clerk", `decision ${index}`, sha256Hex(`leaf ${index}`)));
      return read;
    };
    expect(Array.from({ length: 50 }, (_, index) => readBy(index))).toEqual(Array(50).fill(0));
  });

  it("take each decision once", () => {
    const journal = temporaryJournal();
    addLeaf(journal, "clerk", "decision", sha256Hex("1"));
    expect(() => addLeaf(journal, "clerk", "decision", sha256Hex("2"))).toThrow(/UNIQUE/);
  });
});

describe("triggers", () => {
  const mail = (name: string): Trigger => ({
    kind: "mail",
    dedupeId: `mail:${name}`,
    label: `${name}.eml`,
    payload: { a: [1, "é"] },
  });

  it("are taken in once, with a line in the log, and come out in their order", () => {
    const journal = temporaryJournal();
    expect(["b", "a", "b"].map((name) => addTrigger(journal, "clerk", mail(name)))).toEqual([
      true,
      true,
      false,
    ]);
    expect([knowsTrigger(journal, "clerk", "mail:a"), knowsTrigger(journal, "clerk", "mail:c")]).toEqual([
      true,
      false,
    ]);
    expect(readEntries(journal)).toHaveLength(2);
    expect(nextTrigger(journal, "clerk", 0)).toEqual(mail("b"));
    expect(nextTrigger(journal, "other", 0)).toBeUndefined();
    expect(triggerOf(journal, "clerk", "mail:a")).toEqual(mail("a"));
  });

  it("are let wait for what the operator says, and else for what came before", () => {
    const journal = temporaryJournal();
    for (const name of ["a", "b"]) addTrigger(journal, "clerk", mail(name));
    for (const name of ["c", "d"])
      addTrigger(journal, "clerk", { ...mail(name), kind: "operator", dedupeId: name });
    const order: (string | undefined)[] = [];
    for (
      let trigger = nextTrigger(journal, "clerk", 0);
      trigger;
      trigger = nextTrigger(journal, "clerk", 0)
    ) {
      order.push(trigger.dedupeId);
      startDecision(journal, {
        id: trigger.dedupeId,
        agent: "clerk",
        triggerId: trigger.dedupeId,
        machine: "decision@1",
        snapshot: {},
      });
    }
    expect(order).toEqual(["c", "d", "mail:a", "mail:b"]);
  });

  it("that are tried again wait until their time, over a restart, and let others go before them", () => {
    const folder = temporaryFolder();
    const journal = temporaryJournal(folder);
    const waits = retryTrigger(journal, "clerk", mail("a"), sha256Hex("leaf"), (retries) => 5000 + retries);
    expect([4999, 5000].map((atMs) => nextTrigger(journal, "clerk", atMs)?.dedupeId)).toEqual([
      undefined,
      waits,
    ]);
    expect([4000, 5000, 9000].map((atMs) => untilNextTrigger(journal, "clerk", atMs))).toEqual([1000, 0, 0]);
    addTrigger(journal, "clerk", mail("b"));
    journal.close();
    const after = temporaryJournal(folder);
    expect(nextTrigger(after, "clerk", 4999)?.dedupeId).toBe("mail:b");
    expect(nextTrigger(after, "clerk", 5000)?.dedupeId).toBe(waits);
    expect(untilNextTrigger(after, "clerk", 4000)).toBe(0);
    expect(untilNextTrigger(after, "other", 4000)).toBeUndefined();
  });

  it("are not kept waiting by a clock that is set back", () => {
    const journal = temporaryJournal();
    const noted = 1_700_000_000_000;
    retryTrigger(journal, "clerk", mail("a"), sha256Hex("leaf"), () => noted);
    expect(nextTrigger(journal, "clerk", noted - longestPauseMs)).toBeUndefined();
    expect(nextTrigger(journal, "clerk", noted - longestPauseMs - 1)).toBeDefined();
    expect(untilNextTrigger(journal, "clerk", noted - longestPauseMs - 1)).toBe(0);
  });

  it("wake each agent of a journal once, under the same id", () => {
    const journal = temporaryJournal();
    expect(["clerk", "other", "clerk"].map((agent) => addTrigger(journal, agent, mail("a")))).toEqual([
      true,
      true,
      false,
    ]);
    for (const agent of ["clerk", "other"])
      startDecision(journal, {
        id: agent,
        agent,
        triggerId: "mail:a",
        machine: "decision@1",
        snapshot: {},
      });
    expect(["clerk", "other"].map((agent) => nextTrigger(journal, agent, 0))).toEqual([undefined, undefined]);
    expect(triggerOf(journal, "other", "mail:a")).toEqual(mail("a"));
  });

  it("wait no more when a decision has claimed them, and are claimed once", () => {
    const journal = temporaryJournal();
    addTrigger(journal, "clerk", mail("a"));
    const decision = {
      id: "one",
      agent: "clerk",
      triggerId: "mail:a",
      machine: "decision@1",
      snapshot: { value: "x" },
    };
    startDecision(journal, decision);
    expect(nextTrigger(journal, "clerk", 0)).toBeUndefined();
    expect(() => startDecision(journal, { ...decision, id: "two" })).toThrow(/UNIQUE/);
    expect(openDecision(journal, "clerk")).toEqual({ ...decision, position: 1, done: false });
    saveSnapshot(journal, "one", { machine: "decision@2", snapshot: { value: "done" }, done: true });
    expect(openDecision(journal, "clerk")).toBeUndefined();
    expect(decisionOf(journal, "one")).toMatchObject({ snapshot: { value: "done" }, done: true });
  });
});

describe("outputs", () => {
  it("are written once: a recorded result is never replaced", () => {
    const journal = temporaryJournal();
    putOutput(journal, "one", "infer", { text: "a" });
    expect(() => putOutput(journal, "one", "infer", { text: "b" })).toThrow(/UNIQUE/);
    expect(outputOf(journal, "one", "infer")).toEqual({ text: "a" });
    expect(outputOf(journal, "one", "parse")).toBeUndefined();
  });
});

describe("payments", () => {
  const payment = {
    payee: "acme",
    address: "0xac",
    reference: "INV-1",
    references: ["INV-1", "AC 7"],
    at: 1,
    asset: "0x01",
    amountUnits: "1",
    words: "1 for a.eml",
  };
  const acme = { payee: "acme", address: "0xac" };

  it("stand while they are pending or paid, and not when they are void", () => {
    const journal = temporaryJournal();
    for (const decision of ["pending", "paid", "void"])
      putPayment(journal, "clerk", { ...payment, decision });
    setPaymentState(journal, "paid", "paid");
    setPaymentState(journal, "void", "void");
    expect(
      standingPayments(journal, "clerk", acme, []).map(({ decision, state }) => `${decision} ${state}`),
    ).toEqual(["pending pending", "paid paid"]);
    expect(standingPayments(journal, "clerk", { payee: "northwind", address: "0x0f" }, [])).toEqual([]);
    expect(standingPayments(journal, "other", acme, [])).toEqual([]);
  });

  it("are a payee's under any name that its address ever had", () => {
    const journal = temporaryJournal();
    for (const [decision, payee, address] of [
      ["renamed", "acme-hosting", "0xac"],
      ["moved", "acme", "0x01"],
      ["of nobody knows whom", "old-acme", null],
      ["of a payee that there is", "northwind", null],
      ["that pays nobody", "act:vote", null],
    ] as const)
      putPayment(journal, "clerk", { ...payment, decision, payee, address });
    const found = (payee: string, address: string) =>
      standingPayments(journal, "clerk", { payee, address }, ["acme", "northwind"]).map(
        ({ decision }) => decision,
      );
    expect(found("acme", "0xac")).toEqual(["moved", "renamed", "of nobody knows whom"]);
    expect(found("northwind", "0x0f")).toEqual(["of a payee that there is", "of nobody knows whom"]);
    expect(found("act:vote", "")).toEqual(["that pays nobody"]);
  });
});
