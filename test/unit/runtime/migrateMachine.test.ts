import { describe, expect, it } from "vitest";

import type { JsonObject } from "../../../src/core/json.ts";
import { advance, doneEvent } from "../../../src/runtime/advance.ts";
import { decisionMachine, machineName, type StepSignal } from "../../../src/runtime/decisionMachine.ts";
import { migrate, MachineVersionError } from "../../../src/runtime/migrateMachine.ts";
// Every snapshot of a decision that expired, as the first version's own program wrote them.
import first from "./decisionMachine1.json" with { type: "json" };

const atMs = 1_700_000_000_123;
const effects = ["observe", "infer", "parse", "judge", "seal", "sign", "send", "settle", "record"];
const signalOf = (effect: string): StepSignal =>
  effect === "settle" ? { next: "end", outcome: "expired" } : { next: "go" };

/** The states on the way from a snapshot to the end, and the context there. */
function toTheEnd(snapshot: JsonObject): readonly [readonly string[], unknown] {
  let current = snapshot;
  const path = [current["value"] as string];
  for (;;) {
    const effect = effects[first.snapshots.findIndex(({ value }) => value === current["value"])];
    if (effect === undefined) return [path, current["context"]];
    current = advance(decisionMachine, current, doneEvent(effect, signalOf(effect), atMs)).snapshot;
    path.push(current["value"] as string);
  }
}

describe("a snapshot of the first decision machine", () => {
  const states = first.snapshots.map(({ value }) => value);

  it.each(states)("goes on from %s as it would have gone on there", (state) => {
    const index = states.indexOf(state);
    const snapshot = migrate(first.snapshots[index]!, first.machine, machineName);
    const [path, context] = toTheEnd(snapshot);
    expect(path).toEqual(states.slice(index));
    // What ended under the first version has no time.
    const told = index > states.indexOf("settling") ? null : atMs;
    expect(context).toEqual({ outcome: "expired", endedAtMs: told });
  });

  it("is left as it was", () => {
    const before = JSON.stringify(first);
    migrate(first.snapshots[0]!, first.machine, machineName);
    expect(JSON.stringify(first)).toBe(before);
  });
});

describe("migrate", () => {
  it("gives a snapshot of today's machine back", () => {
    const { snapshot } = advance(decisionMachine, null, null);
    expect(migrate(snapshot, machineName, machineName)).toBe(snapshot);
  });

  it.each(["decision@3", "decision@0", "another@1", ""])(
    "refuses one of %j, and says the way out",
    (from) => {
      const refused = () => migrate({ value: "settling" }, from, machineName);
      expect(refused).toThrow(MachineVersionError);
      expect(refused).toThrow(/Finish it with the version of Bursar that began it/);
    },
  );

  it("never goes back", () => {
    expect(() => migrate({}, machineName, "decision@1")).toThrow(MachineVersionError);
  });
});
