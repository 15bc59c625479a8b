import { describe, expect, it } from "vitest";

import { BaseError } from "../../../src/core/errors.ts";
import type { Trigger } from "../../../src/core/trigger.ts";
import {
  decisionOf,
  deleteEffect,
  effectsOf,
  openDecision,
  saveSnapshot,
} from "../../../src/journal/decisions.ts";
import { embeddedHost } from "../../../src/journal/embeddedHost.ts";
import { addTrigger } from "../../../src/journal/triggers.ts";
import { runNext, StuckDecisionError, type CorridorOptions } from "../../../src/runtime/corridor.ts";
import { machineName } from "../../../src/runtime/decisionMachine.ts";
import type { House, Step } from "../../../src/runtime/house.ts";
import { MachineVersionError } from "../../../src/runtime/migrateMachine.ts";
import { temporaryJournal } from "../journal/temporary.ts";
import first from "./decisionMachine1.json" with { type: "json" };

const trigger: Trigger = { kind: "mail", dedupeId: "mail:0x01", label: "1.eml", payload: {} };

class NoAnswerError extends BaseError {
  override readonly name = "NoAnswerError";
  constructor() {
    super("Nobody answers.", { retry: "safe" });
  }
}

/** A journal with one trigger, and a first step that fails as often as it is told to before it stops for good. */
function corridor(failures: number) {
  const journal = temporaryJournal();
  addTrigger(journal, "treasurer", trigger);
  const slept: number[] = [];
  const stop = new AbortController();
  let tries = 0;
  const observe: Step = {
    when: "later",
    run() {
      if (++tries > failures) stop.abort();
      return Promise.reject(new NoAnswerError());
    },
  };
  const options: CorridorOptions = {
    host: embeddedHost(journal),
    house: {
      agent: { name: "treasurer" },
      journal,
      now: () => 0,
      sleep(milliseconds: number) {
        slept.push(milliseconds);
        return Promise.resolve();
      },
    } as unknown as House,
    steps: { observe },
    signal: stop.signal,
    backOffMs: [1, 2],
  };
  return { journal, options, slept, tries: () => tries };
}

describe("runNext", () => {
  it("refuses to go on with a decision that has no step left, instead of calling it finished for ever", async () => {
    const { journal, options } = corridor(1);
    await runNext({ ...options, backOffMs: [] }).catch(() => undefined);
    const { id } = openDecision(journal, "treasurer")!;
    for (const effect of effectsOf(journal, id)) deleteEffect(journal, id, effect.id);
    const error = await runNext(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StuckDecisionError);
    expect(error).toMatchObject({ retry: "never", facts: { decision: id, trigger: "1.eml" } });
    expect((error as StuckDecisionError).remedy).toContain("Freeze the account");
  });

  it("goes on with what an older machine began, and writes it as one of its own", async () => {
    const { journal, options } = corridor(1);
    await runNext({ ...options, backOffMs: [] }).catch(() => undefined);
    const { id, snapshot } = openDecision(journal, "treasurer")!;
    const old = first.snapshots.find(({ value }) => value === snapshot["value"])!;
    saveSnapshot(journal, id, { machine: first.machine, snapshot: old, done: false });
    const observe: Step = {
      when: "later",
      run: () => Promise.resolve({ value: {}, entry: { kind: "observed", body: {} } }),
    };
    const infer: Step = { when: "later", run: () => Promise.reject(new NoAnswerError()) };
    const steps = { observe, infer };
    const going = runNext({ ...options, steps, signal: new AbortController().signal, backOffMs: [] });
    await expect(going).rejects.toThrow(NoAnswerError);
    expect(decisionOf(journal, id)).toMatchObject({
      machine: machineName,
      snapshot: { value: "inferring", context: { outcome: null, endedAtMs: null } },
    });
  });

  it("runs no step of a decision whose machine it does not know, and leaves it as it is", async () => {
    const { journal, options, tries } = corridor(9);
    await runNext({ ...options, backOffMs: [] }).catch(() => undefined);
    const { id } = openDecision(journal, "treasurer")!;
    saveSnapshot(journal, id, { machine: "decision@99", snapshot: { value: "elsewhere" }, done: false });
    await expect(runNext(options)).rejects.toThrow(MachineVersionError);
    expect(tries()).toBe(1);
    expect(openDecision(journal, "treasurer")).toMatchObject({ id, machine: "decision@99" });
  });

  it("throws a step's error when its attempts are used up, and begins with as many at the next call", async () => {
    const { options, slept, tries } = corridor(6);
    await expect(runNext(options)).rejects.toThrow(NoAnswerError);
    expect([tries(), slept]).toEqual([3, [1, 2]]);
    await expect(runNext(options)).rejects.toThrow(NoAnswerError);
    expect([tries(), slept]).toEqual([6, [1, 2, 1, 2]]);
    expect(await runNext(options)).toBeUndefined();
  });
});
