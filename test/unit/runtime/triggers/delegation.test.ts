import { beforeEach, expect, it } from "vitest";

import type { Delegation } from "../../../../src/core/delegation.ts";
import { putDelegation, setDelegationState } from "../../../../src/journal/delegations.ts";
import { appendEntry } from "../../../../src/journal/entries.ts";
import type { JournalDatabase } from "../../../../src/journal/openJournal.ts";
import { cursorOf, triggerRowsOf } from "../../../../src/journal/triggers.ts";
import { watchDelegations } from "../../../../src/runtime/triggers/delegation.ts";
import { temporaryJournal } from "../../journal/temporary.ts";

let journal: JournalDatabase;
beforeEach(() => {
  journal = temporaryJournal();
});

const address = (digit: string) => `0x${digit.repeat(40)}` as const;
const delegation = (digit: string, agent = "a"): Delegation => ({
  id: `0x${digit.repeat(64)}`,
  agent,
  rung: "spendGrant",
  why: "",
  chainId: 31337,
  contract: address("c"),
  account: address("d"),
  token: { symbol: "USDC", address: address("e"), decimals: 6 },
  grant: {},
  source: "token",
  topic: "t",
});
const woken = () => triggerRowsOf(journal, "a").map((row) => row.dedupe_id);

it("wakes for what people do, from the first look on, each once, also after a restart and between two looks", async () => {
  putDelegation(journal, delegation("1"));
  setDelegationState(journal, delegation("1").id, "inForce");
  await watchDelegations({ agent: "a", journal }).scan();
  expect(woken()).toEqual([]);
  const watcher = watchDelegations({ agent: "a", journal });
  putDelegation(journal, delegation("2"));
  await watcher.scan();
  expect(woken()).toEqual([]);
  setDelegationState(journal, delegation("2").id, "inForce");
  setDelegationState(journal, delegation("2").id, "paused");
  putDelegation(journal, delegation("3", "b"));
  setDelegationState(journal, delegation("3").id, "inForce");
  await watcher.scan();
  await watcher.scan();
  setDelegationState(journal, delegation("1").id, "ended");
  await watchDelegations({ agent: "a", journal }).scan();
  await watchDelegations({ agent: "a", journal }).scan();
  const named = (digit: string, state: string) =>
    expect.stringContaining(`delegation:${delegation(digit).id}:${state}:`) as string;
  expect(woken()).toEqual([named("2", "inForce"), named("2", "paused"), named("1", "ended")]);
  expect(JSON.parse(triggerRowsOf(journal, "a")[0]!.payload)).toEqual({
    facts: {
      "delegation.id": { value: delegation("2").id, provenance: "history" },
      "delegation.state": { value: "inForce", provenance: "history" },
      "delegation.payer": { value: address("d"), provenance: "history" },
      "delegation.rung": { value: "spendGrant", provenance: "history" },
      "delegation.token": { value: "USDC", provenance: "history" },
    },
  });
});

it("wakes each time that the same one comes into force or is left alone: an account of a payer's own keeps its id", async () => {
  const watcher = watchDelegations({ agent: "a", journal });
  await watcher.scan();
  putDelegation(journal, delegation("1"));
  for (const state of ["inForce", "paused", "inForce", "paused"] as const) {
    setDelegationState(journal, delegation("1").id, state);
    await watcher.scan();
  }
  await watchDelegations({ agent: "a", journal }).scan();
  const states = triggerRowsOf(journal, "a").map(({ payload }) => /"(inForce|paused)"/.exec(payload)?.[1]);
  expect(states).toEqual(["inForce", "paused", "inForce", "paused"]);
});

it("keeps its place when something came, and every thousand entries", async () => {
  const watcher = watchDelegations({ agent: "a", journal });
  await watcher.scan();
  const others = (count: number) =>
    journal.atomically(() => {
      for (let index = 0; index < count; index++) appendEntry(journal, "a", "note", { index });
    });
  others(999);
  await watcher.scan();
  expect(cursorOf(journal, "a", "delegation")).toBe(0);
  others(1);
  await watcher.scan();
  expect(cursorOf(journal, "a", "delegation")).toBe(1000);
  expect(woken()).toEqual([]);
});
