import { describe, expect, it } from "vitest";

import { genesisHash } from "../../../src/core/entry.ts";
import { appendEntry, noteOnce, readEntries, verifyEntries } from "../../../src/journal/entries.ts";
import { JournalBrokenError } from "../../../src/journal/errors.ts";
import { tamper, temporaryFolder, temporaryJournal } from "./temporary.ts";

const bodies = [{ a: 1 }, { b: "two" }, {}, { d: [1, 2] }, { e: null }];

function chainOfFive() {
  const folder = temporaryFolder();
  const journal = temporaryJournal(folder);
  const entries = journal.atomically(() =>
    bodies.map((body) => appendEntry(journal, "clerk", "noted", body)),
  );
  return { folder, journal, entries };
}

describe("the chain of entries", () => {
  it("counts from one, and each entry names the one before it", () => {
    const { entries, journal } = chainOfFive();
    expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(entries.map(({ previousHash }) => previousHash)).toEqual([
      genesisHash,
      ...entries.slice(0, -1).map(({ hash }) => hash),
    ]);
    expect(readEntries(journal)).toEqual(entries);
    expect(readEntries(journal, 2, 2)).toEqual(entries.slice(2, 4));
    expect(verifyEntries(journal)).toEqual({ entries: 5, head: entries[4]!.hash });
  });

  it("holds when it is empty, and over more than one page", () => {
    const journal = temporaryJournal();
    expect(verifyEntries(journal)).toEqual({ entries: 0, head: genesisHash });
    journal.atomically(() => {
      for (let entry = 0; entry < 1001; entry++) appendEntry(journal, "clerk", "noted", { entry });
    });
    expect(verifyEntries(journal).entries).toBe(1001);
  });

  it.each<readonly [string, string, RegExp]>([
    ["a changed body", `update entry set body = '{"b":"three"}' where sequence = 2`, /entry 2: its content/],
    [
      "a body in another form",
      `update entry set body = '{"b": "two"}' where sequence = 2`,
      /entry 2: its body/,
    ],
    ["a body that is no JSON", `update entry set body = '{' where sequence = 2`, /entry 2: its body/],
    ["a changed kind", "update entry set kind = 'paid' where sequence = 2", /entry 2: its content/],
    ["a changed agent", "update entry set agent = 'other' where sequence = 2", /entry 2: its content/],
    ["a changed hash", `update entry set hash = '${genesisHash}' where sequence = 2`, /entry 2: its content/],
    [
      "another entry before it",
      `update entry set previous_hash = '${genesisHash}' where sequence = 2`,
      /entry 2: it does not name/,
    ],
    ["a deleted row", "delete from entry where sequence = 2", /entry 2: the next entry is 3/],
    ["a deleted first row", "delete from entry where sequence = 1", /entry 1: the next entry is 2/],
    [
      "rows in another order",
      "update entry set sequence = 99 where sequence = 2; update entry set sequence = 2 where sequence = 3; update entry set sequence = 3 where sequence = 99",
      /entry 2: it does not name/,
    ],
    [
      "a row taken out with the numbers closed up",
      "delete from entry where sequence = 2; update entry set sequence = sequence - 1 where sequence > 2",
      /entry 2: it does not name/,
    ],
  ])("is found broken by %s", (_, statement, words) => {
    const { folder, journal } = chainOfFive();
    journal.close();
    tamper(journal.path, statement);
    const again = temporaryJournal(folder);
    expect(() => verifyEntries(again)).toThrow(JournalBrokenError);
    expect(() => verifyEntries(again)).toThrow(words);
  });
});

describe("noteOnce", () => {
  it("notes a thing once for each agent, also after a restart", () => {
    const folder = temporaryFolder();
    const journal = temporaryJournal(folder);
    expect(noteOnce(journal, "clerk", "anchor:5", "anchored", { size: 5 })).toBe(true);
    expect(noteOnce(journal, "clerk", "anchor:5", "anchored", { size: 5 })).toBe(false);
    expect(noteOnce(journal, "other", "anchor:5", "anchored", { size: 5 })).toBe(true);
    journal.close();
    const again = temporaryJournal(folder);
    expect(noteOnce(again, "clerk", "anchor:5", "anchored", { size: 5 })).toBe(false);
    expect(readEntries(again).map(({ agent, kind }) => `${agent} ${kind}`)).toEqual([
      "clerk anchored",
      "other anchored",
    ]);
  });
});
