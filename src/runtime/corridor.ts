import type { Applied, Beginning, DurableHost, Effect, Underway } from "../core/durableHost.ts";
import { BaseError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Trigger } from "../core/trigger.ts";
import { advance, doneEvent } from "./advance.ts";
import { decisionMachine, machineName, type DecisionContext } from "./decisionMachine.ts";
import type { House, Step, StepContext, StepResult } from "./house.ts";
import { migrate } from "./migrateMachine.ts";
import type { Turns } from "./turns.ts";

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
  /** Keeps what has to survive the process. */
  readonly host: DurableHost;
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
 * @returns the decision's id when one was finished, undefined when there is nothing to do (or the signal aborted).
 * @throws MachineVersionError · StuckDecisionError · the error of a step. After one that says `retry: safe` (an RPC or
 * bundler that does not answer) nothing is lost: whoever watches waits and calls again.
 */
export async function runNext(options: CorridorOptions): Promise<string | undefined> {
  const { agent, now } = options.house;
  const underway = await options.host.take(agent.name, (trigger) => beginningOf(agent.name, trigger), now());
  if (!underway) return undefined;
  if (underway.fresh) options.onPassage?.({ decision: underway.id, step: "trigger", at: "committed" });
  return carryOn(options, underway);
}

function beginningOf(agent: string, trigger: Trigger): Beginning {
  const { commands, snapshot } = advance(decisionMachine, null, null);
  return {
    id: sha256Hex(`${agent}\n${trigger.dedupeId}`),
    machine: machineName,
    snapshot,
    effects: commands.map(({ id, source }) => ({ id, source })),
  };
}

/** A decision as far as it has come: what is in the journal, in memory. A write that fails ends the loop, and this with it. */
type Course = {
  readonly id: string;
  readonly trigger: Trigger;
  readonly outputs: Map<string, Json>;
  snapshot: JsonObject;
  machineContext: DecisionContext;
  effects: readonly Effect[];
  done: boolean;
};

const contextIn = (snapshot: JsonObject): DecisionContext =>
  snapshot["context"] as unknown as DecisionContext;

async function carryOn(options: CorridorOptions, underway: Underway): Promise<string | undefined> {
  const { id, trigger } = underway;
  // What can't be carried on is refused before any of its effects is run.
  const snapshot = migrate(underway.snapshot, underway.machine, machineName);
  const course: Course = {
    id,
    trigger,
    outputs: new Map(underway.outputs),
    snapshot,
    machineContext: contextIn(snapshot),
    effects: underway.effects,
    done: false,
  };
  const context = contextOf(options, course);
  while (!course.done) {
    const [effect] = course.effects;
    if (!effect) throw new StuckDecisionError(id, trigger.label);
    if (options.signal.aborted) return undefined;
    options.onPassage?.({ decision: id, step: effect.source, at: "begun" });
    const result = await attempt(options, effect.source, context);
    if (!result) return undefined;
    options.onPassage?.({ decision: id, step: effect.source, at: "done" });
    await commit(options, course, effect, result, context);
    options.onPassage?.({ decision: id, step: effect.source, at: "committed" });
  }
  return id;
}

/**
 * The one atomic write: the result, its rows and its line in the audit log, the machine's next snapshot, the effects
 * that follow. Pure steps that follow run right here, in the same transaction. A snapshot of an older machine is from then on one of
 * this. Durable when it resolves.
 */
async function commit(
  { host, house, steps }: CorridorOptions,
  course: Course,
  effect: Effect,
  first: StepResult,
  context: StepContext,
): Promise<void> {
  const atMs = house.now();
  const { done, effects, snapshot } = await host.apply(
    { id: course.id, agent: house.agent.name },
    first.sure ?? "now",
    (record): Applied => {
      const follow: Effect[] = [];
      let [snapshot, done] = [course.snapshot, false];
      const pending = [{ id: effect.id, result: () => first }];
      for (let next = pending.shift(); next; next = pending.shift()) {
        const { id } = next;
        const { entry, rows, signal = { next: "go" }, value } = next.result();
        course.outputs.set(id, value);
        record({ effect: id, value, entry, rows });
        const advanced = advance(decisionMachine, snapshot, doneEvent(id, signal, atMs));
        ({ done, snapshot } = advanced);
        course.machineContext = contextIn(snapshot);
        for (const command of advanced.commands) {
          const step = stepOf(steps, command.source);
          if (step.when === "now") pending.push({ id: command.id, result: () => step.run(context) });
          else follow.push({ id: command.id, source: command.source });
        }
      }
      return { machine: machineName, snapshot, done, effects: follow };
    },
  );
  course.snapshot = snapshot;
  course.done = done;
  course.effects = [...course.effects.filter(({ id }) => id !== effect.id), ...effects];
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

function contextOf({ house, signal }: CorridorOptions, course: Course): StepContext {
  const maybeOutput = (step: string): Json | undefined => course.outputs.get(step);
  return {
    house,
    decision: course.id,
    trigger: course.trigger,
    signal,
    maybeOutput,
    output(step) {
      const value = maybeOutput(step);
      if (value === undefined) throw new Error(`Step "${step}" has handed nothing on.`);
      return value;
    },
    machineContext: () => course.machineContext,
  };
}
