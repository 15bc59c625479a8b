import { BaseError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import type { Json } from "../core/json.ts";
import type { Trigger } from "../core/trigger.ts";
import {
  decisionOf,
  deleteEffect,
  effectsOf,
  openDecision,
  outputOf,
  putEffect,
  putOutput,
  saveSnapshot,
  startDecision,
  type DecisionRow,
} from "../journal/decisions.ts";
import { appendEntry } from "../journal/entries.ts";
import { isQuarantined } from "../journal/quarantine.ts";
import { nextTrigger, triggerOf } from "../journal/triggers.ts";
import { advance, doneEvent } from "./advance.ts";
import { decisionMachine, machineName } from "./decisionMachine.ts";
import type { House, Step, StepContext, StepResult } from "./house.ts";
import type { Turns } from "./turns.ts";

/** A snapshot written by another version of the decision machine. */
export class MachineVersionError extends BaseError {
  override readonly name = "MachineVersionError";
  constructor(decision: string, stored: string) {
    super(`Decision ${decision} was begun by ${stored}; this program runs ${machineName}.`, {
      remedy: "Finish it with the version of Bursar that began it, then upgrade.",
    });
  }
}

/** A decision that is under way and has nothing left to do: the journal contradicts itself. */
export class StuckDecisionError extends BaseError {
  override readonly name = "StuckDecisionError";
  constructor(decision: string, trigger: string) {
    super("A decision is under way, but the journal names no step that would carry it on.", {
      remedy:
        "The journal was changed from outside, or its disk is damaged. Keep the file, and don't go on with an older copy: it does not know the last payments. Freeze the account, see on the chain what was paid, then start afresh with a new agent key, a new state folder and an empty inbox.",
      facts: { decision, trigger },
    });
  }
}

/** Called at every durable border, for progress and for tests that cut the power there. */
export type Passage = (event: {
  readonly decision: string;
  readonly step: string;
  readonly at: "begun" | "done" | "committed";
}) => void;

export type CorridorOptions = {
  readonly house: House;
  readonly steps: Readonly<Record<string, Step>>;
  readonly signal: AbortSignal;
  readonly onPassage?: Passage;
  /** How many steps run at once, where several agents do. */
  readonly turns?: Turns;
  /**
   * Milliseconds before each further attempt of a step whose error says `retry: safe`. When they are used up the error
   * is thrown; the effect stays in the journal, so the next `runNext` takes up the same step with all its attempts.
   */
  readonly backOffMs?: readonly number[];
};

const defaultBackOffMs = [200, 500, 1000, 2000, 5000] as const;

/**
 * Runs one decision from its trigger to its end, or carries on with the one that was cut off. One at a time an agent:
 * the money path has no concurrency.
 *
 * @returns the decision's row when one was finished, undefined when there is nothing to do (or the signal aborted).
 * @throws MachineVersionError · StuckDecisionError · the error of a step. After one that says `retry: safe` (an RPC or
 * bundler that does not answer) nothing is lost: whoever watches waits and calls again.
 */
export async function runNext(options: CorridorOptions): Promise<DecisionRow | undefined> {
  const { house } = options;
  const open = openDecision(house.journal, house.agent.name);
  // What was under way in a backup may have gone on elsewhere: only the operator knows.
  if (open && isQuarantined(house.journal, open.triggerId)) return undefined;
  if (open) return carryOn(options, open);
  const trigger = nextTrigger(house.journal, house.agent.name);
  if (!trigger) return undefined;
  const id = sha256Hex(`${house.agent.name}\n${trigger.dedupeId}`);
  await house.journal.together(() => {
    const first = advance(decisionMachine, null, null);
    startDecision(house.journal, {
      id,
      agent: house.agent.name,
      triggerId: trigger.dedupeId,
      machine: machineName,
      snapshot: first.snapshot,
    });
    for (const { id: effect, source } of first.commands)
      putEffect(house.journal, { decision: id, id: effect, source });
  });
  options.onPassage?.({ decision: id, step: "trigger", at: "committed" });
  return carryOn(options, decisionOf(house.journal, id));
}

async function carryOn(options: CorridorOptions, decision: DecisionRow): Promise<DecisionRow | undefined> {
  const { house, signal } = options;
  if (decision.machine !== machineName) throw new MachineVersionError(decision.id, decision.machine);
  const trigger = triggerOf(house.journal, decision.agent, decision.triggerId);
  // Outputs are written once. A commit that fails ends this loop, and with it whatever was read of it.
  const read = new Map<string, Json>();
  for (;;) {
    const [effect] = effectsOf(house.journal, decision.id);
    if (!effect) {
      const now = decisionOf(house.journal, decision.id);
      if (!now.done) throw new StuckDecisionError(decision.id, trigger.label);
      return now;
    }
    if (signal.aborted) return undefined;
    const context = contextOf(options, decision.id, trigger, read);
    options.onPassage?.({ decision: decision.id, step: effect.source, at: "begun" });
    const result = await attempt(options, effect.source, context);
    if (!result) return undefined;
    options.onPassage?.({ decision: decision.id, step: effect.source, at: "done" });
    await commit(options, decision.id, effect.id, result, context);
    options.onPassage?.({ decision: decision.id, step: effect.source, at: "committed" });
  }
}

/**
 * The one atomic write: the result, its rows and its line in the audit log, the machine's next snapshot, the effects
 * that follow. Pure steps that follow run right here, in the same transaction. Durable when it resolves.
 */
function commit(
  options: CorridorOptions,
  decision: string,
  effectId: string,
  first: StepResult,
  context: StepContext,
): Promise<void> {
  const { house, steps } = options;
  return house.journal.together(() => {
    let pending: { id: string; result: StepResult } | undefined = { id: effectId, result: first };
    while (pending) {
      const { id, result }: { id: string; result: StepResult } = pending;
      pending = undefined;
      putOutput(house.journal, decision, id, result.value);
      result.rows?.();
      appendEntry(house.journal, house.agent.name, result.entry.kind, { decision, ...result.entry.body });
      deleteEffect(house.journal, decision, id);
      const next = advance(
        decisionMachine,
        decisionOf(house.journal, decision).snapshot,
        doneEvent(id, result.signal ?? { next: "go" }),
      );
      saveSnapshot(house.journal, decision, next.snapshot, next.done);
      for (const command of next.commands) {
        const step = stepOf(steps, command.source);
        if (step.when === "now") pending = { id: command.id, result: step.run(context) };
        else putEffect(house.journal, { decision, id: command.id, source: command.source });
      }
    }
  });
}

/** Runs a step, repeating it as its errors allow. Returns undefined when the signal aborted meanwhile. */
async function attempt(
  options: CorridorOptions,
  source: string,
  context: StepContext,
): Promise<StepResult | undefined> {
  const backOff = options.backOffMs ?? defaultBackOffMs;
  for (let tries = 0; ; tries++) {
    try {
      const step = stepOf(options.steps, source);
      const turn = (step.when === "later" && step.turn) || "usual";
      if (turn === "none" || !options.turns) return await step.run(context);
      return await options.turns.take(turn, async () => step.run(context));
    } catch (error) {
      if (options.signal.aborted) return undefined;
      const wait = backOff[tries];
      if (!(error instanceof BaseError) || error.retry !== "safe" || wait === undefined) throw error;
      await options.house.sleep(wait, options.signal);
      if (options.signal.aborted) return undefined;
    }
  }
}

function stepOf(steps: Readonly<Record<string, Step>>, source: string): Step {
  const step = steps[source];
  if (!step) throw new Error(`The decision machine names the step "${source}", which does not exist.`);
  return step;
}

function contextOf(
  options: CorridorOptions,
  decision: string,
  trigger: Trigger,
  read: Map<string, Json>,
): StepContext {
  const { journal } = options.house;
  const maybeOutput = (step: string): Json | undefined => {
    const known = read.get(step);
    if (known !== undefined) return known;
    const value = outputOf(journal, decision, step);
    if (value !== undefined) read.set(step, value);
    return value;
  };
  return {
    house: options.house,
    decision,
    trigger,
    signal: options.signal,
    maybeOutput,
    output(step) {
      const value = maybeOutput(step);
      if (value === undefined) throw new Error(`Step "${step}" has handed nothing on.`);
      return value;
    },
  };
}
