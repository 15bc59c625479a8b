import { beforeEach, describe, expect, it } from "vitest";

import type { TriggerSource } from "../../../../src/core/agent.ts";
import { readEntries } from "../../../../src/journal/entries.ts";
import type { JournalDatabase } from "../../../../src/journal/openJournal.ts";
import { ScheduleError, watchClock } from "../../../../src/runtime/triggers/clock.ts";
import { temporaryJournal } from "../../journal/temporary.ts";

let journal: JournalDatabase;
beforeEach(() => {
  journal = temporaryJournal();
});

type ClockSource = Extract<TriggerSource, { kind: "interval" | "cron" }>;

/** Scans at each of the times (ISO, or unix seconds), with a new watcher each time as after a restart. */
async function ticksAt(source: ClockSource, times: readonly (string | number)[]): Promise<readonly string[]> {
  for (const time of times) {
    const ms = typeof time === "number" ? time * 1000 : Date.parse(time);
    await watchClock({ agent: "a", journal, source, now: () => ms }).scan();
  }
  return journal
    .all("select payload from trigger_ order by position")
    .map((row) => (JSON.parse(String(row["payload"])) as { facts: { "clock.due": { value: number } } }).facts)
    .map((facts) => new Date(facts["clock.due"].value * 1000).toISOString());
}

describe("an interval", () => {
  const hourly = { kind: "interval", everySeconds: 3600 } as const;

  it("begins with the next full one, and counts each once", async () => {
    const times = [
      "2026-01-01T00:30:00Z",
      "2026-01-01T00:59:59Z",
      "2026-01-01T01:00:00Z",
      "2026-01-01T01:00:01Z",
    ];
    expect(await ticksAt(hourly, times)).toEqual(["2026-01-01T01:00:00.000Z"]);
    expect(await ticksAt(hourly, ["2026-01-01T02:10:00Z"])).toHaveLength(2);
  });

  it("makes up for what was missed by one tick, which says when the first was due", async () => {
    const times = [
      "2026-01-01T00:30:00Z",
      "2026-01-03T12:15:00Z",
      "2026-01-03T12:16:00Z",
      "2026-01-03T13:00:00Z",
    ];
    expect(await ticksAt(hourly, times)).toEqual(["2026-01-01T01:00:00.000Z", "2026-01-03T13:00:00.000Z"]);
  });

  it("repeats nothing when the clock goes back a little", async () => {
    const times = [
      "2026-01-01T00:30:00Z",
      "2026-01-01T01:00:10Z",
      "2026-01-01T00:59:30Z",
      "2026-01-01T01:00:05Z",
    ];
    expect(await ticksAt(hourly, times)).toHaveLength(1);
  });

  it("goes on after a clock that was a year ahead, and says so", async () => {
    const times = [
      "2026-01-01T00:30:00Z",
      "2027-01-01T00:30:00Z",
      "2026-01-01T00:31:00Z",
      "2026-01-01T01:00:00Z",
    ];
    // The tick that the wrong clock made was this one: it is known, and made no second time.
    expect(await ticksAt(hourly, times)).toEqual(["2026-01-01T01:00:00.000Z"]);
    expect(await ticksAt(hourly, ["2026-01-01T02:00:00Z"])).toHaveLength(2);
    expect(readEntries(journal).filter(({ kind }) => kind === "clock-back")).toHaveLength(1);
  });

  it.each([0, -1, 1.5, Number.NaN])("of %d seconds is refused", (everySeconds) => {
    const source = { kind: "interval", everySeconds } as const;
    expect(() => watchClock({ agent: "a", journal, source, now: () => 0 })).toThrow(ScheduleError);
  });
});

describe("a cron expression", () => {
  it("is kept in its time zone, across the change to summer time", async () => {
    const source = { kind: "cron", expression: "0 9 * * 1-5", timezone: "Europe/Berlin" } as const;
    const times = [
      "2026-03-27T12:00:00Z",
      "2026-03-29T12:00:00Z",
      "2026-03-30T06:59:59Z",
      "2026-03-30T07:00:00Z",
    ];
    expect(await ticksAt(source, times)).toEqual(["2026-03-30T07:00:00.000Z"]);
  });

  it("is UTC when nothing else is said", async () => {
    const source = { kind: "cron", expression: "*/15 * * * *" } as const;
    expect(await ticksAt(source, ["2026-01-01T00:01:00Z", "2026-01-01T00:16:00Z"])).toEqual([
      "2026-01-01T00:15:00.000Z",
    ]);
  });

  it("may have no further time", async () => {
    const source = { kind: "cron", expression: "0 0 30 2 *" } as const;
    expect(await ticksAt(source, ["2026-01-01T00:01:00Z", "2026-06-01T00:16:00Z"])).toEqual([]);
  });

  it.each([
    ["61 * * * *", undefined],
    ["nonsense", undefined],
    ["0 9 * * *", "Mars/Olympus"],
  ])("%j in %j is refused", (expression, timezone) => {
    const source = { kind: "cron", expression, ...(timezone ? { timezone } : {}) } as const;
    expect(() => watchClock({ agent: "a", journal, source, now: () => 0 })).toThrow(ScheduleError);
  });
});
