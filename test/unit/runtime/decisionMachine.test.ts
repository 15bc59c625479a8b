import { describe, expect, it } from "vitest";

import type { JsonObject } from "../../../src/core/json.ts";
import { advance, doneEvent, type Advanced } from "../../../src/runtime/advance.ts";
import {
  decisionMachine,
  machineName,
  type Outcome,
  type StepSignal,
} from "../../../src/runtime/decisionMachine.ts";
import { steps } from "../../../src/runtime/steps/index.ts";

const go: StepSignal = { next: "go" };
const end = (outcome: Outcome): StepSignal => ({ next: "end", outcome });
/** A time of events. */
const atMs = 1_700_000_000_123;
const snapshotAt = (value: string, outcome: Outcome | null = null): JsonObject => ({
  value,
  context: { outcome, endedAtMs: null },
  status: value === "done" ? "done" : "active",
});
const step = (snapshot: JsonObject, effect: string, output: unknown): Advanced =>
  advance(decisionMachine, snapshot, doneEvent(effect, output, atMs));
const stateOf = ({ snapshot }: Advanced) => snapshot["value"] as string;
const outcomeOf = ({ snapshot }: Advanced) => (snapshot["context"] as { outcome: Outcome | null }).outcome;
/** State, outcome and commands in one line. */
const told = (after: Advanced): string => {
  const commands = after.commands.map(({ id, source }) => `${id}=${source}`).join(" ");
  return `${stateOf(after)} ${outcomeOf(after)} [${commands}]${after.done ? " done" : ""}`;
};

const states = [
  "observing",
  "inferring",
  "parsing",
  "judging",
  "sealing",
  "signing",
  "sending",
  "settling",
  "recording",
];
const effects = ["observe", "infer", "parse", "judge", "seal", "sign", "send", "settle", "record"];

describe("the decision machine", () => {
  it("begins with observing", () => {
    expect(told(advance(decisionMachine, null, null))).toBe("observing null [observe=observe]");
  });

  it("knows where every state goes when its own step is done, to go on or to end", () => {
    const table = states.map((state, index) => {
      const after = (signal: StepSignal) => told(step(snapshotAt(state), effects[index]!, signal));
      return `${state}: go → ${after(go)}; end → ${after(end("refused"))}`;
    });
    expect(table.join("\n")).toMatchInlineSnapshot(`
      "observing: go → inferring null [infer=infer]; end → inferring null [infer=infer]
      inferring: go → parsing null [parse=parse]; end → parsing null [parse=parse]
      parsing: go → judging null [judge=judge]; end → judging null [judge=judge]
      judging: go → sealing null [seal=seal]; end → sealing null [seal=seal]
      sealing: go → signing null [sign=sign]; end → recording refused [record=record]
      signing: go → sending null [send=send]; end → recording refused [record=record]
      sending: go → settling null [settle=settle]; end → settling null [settle=settle]
      settling: go → recording null [record=record]; end → recording refused [record=record]
      recording: go → done null [] done; end → done null [] done"
    `);
  });

  it("ignores every event that is not its own step's, in every state", () => {
    let ignored = 0;
    for (const [index, state] of states.entries()) {
      const foreign = effects
        .filter((_, other) => other !== index)
        .map((effect) => doneEvent(effect, end("paid"), atMs));
      const events = [...foreign, { type: "stop" }];
      for (const event of events) {
        expect(told(advance(decisionMachine, snapshotAt(state), event))).toBe(`${state} null []`);
        ignored++;
      }
    }
    expect(ignored).toBe(81);
  });

  it("takes no error for the end of a decision", () => {
    for (const [index, state] of states.entries()) {
      const event = { type: `xstate.error.actor.${effects[index]}` };
      expect(() => advance(decisionMachine, snapshotAt(state), event)).toThrow(
        "The machine stopped with status error.",
      );
    }
  });

  it("stays done", () => {
    for (const effect of effects)
      expect(told(step(snapshotAt("done", "paid"), effect, end("refused")))).toBe("done paid [] done");
  });

  it.each<readonly [Outcome, string, string]>([
    ["held", "sealing", "seal"],
    ["asked", "sealing", "seal"],
    ["refused", "sealing", "seal"],
    ["refused", "signing", "sign"],
    ["paid", "settling", "settle"],
    ["reverted", "settling", "settle"],
    ["expired", "settling", "settle"],
  ])("carries the outcome %s from %s to its record", (outcome, state, effect) => {
    const recording = step(snapshotAt(state), effect, end(outcome));
    expect(told(recording)).toBe(`recording ${outcome} [record=record]`);
    expect(told(step(recording.snapshot, "record", go))).toBe(`done ${outcome} [] done`);
  });

  it("has snapshots that are plain JSON, and goes on from them after a restart", () => {
    let current = advance(decisionMachine, null, null);
    const path = [stateOf(current)];
    while (!current.done) {
      const revived = JSON.parse(JSON.stringify(current.snapshot)) as JsonObject;
      expect(revived).toEqual(current.snapshot);
      const [command] = current.commands;
      const signal = command!.id === "settle" ? end("paid") : go;
      expect(step(revived, command!.id, signal)).toEqual(step(current.snapshot, command!.id, signal));
      current = step(revived, command!.id, signal);
      path.push(stateOf(current));
    }
    expect(path).toEqual([...states, "done"]);
    expect(current.snapshot).toEqual({
      value: "done",
      context: { outcome: "paid", endedAtMs: atMs },
      status: "done",
    });
  });

  it("does the same with the same snapshot, and leaves it as it was", () => {
    const snapshot = snapshotAt("settling");
    const before = JSON.stringify(snapshot);
    expect(step(snapshot, "settle", end("paid"))).toEqual(step(snapshot, "settle", end("paid")));
    expect(JSON.stringify(snapshot)).toBe(before);
  });

  it("names a step that exists for every effect", () => {
    expect(Object.keys(steps)).toEqual(effects);
  });

  it("has a name with its version, which is stored with every snapshot", () => {
    expect(machineName).toBe("decision@2");
  });
});
