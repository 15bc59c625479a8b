import { initialTransition, transition, type AnyStateMachine } from "xstate";

import type { JsonObject } from "../core/json.ts";

/** One command of the machine to whoever runs effects. */
export type Command = { readonly kind: "effect"; readonly id: string; readonly source: string };

export type Advanced = {
  readonly snapshot: JsonObject;
  readonly commands: readonly Command[];
  readonly done: boolean;
};

/**
 * The pure core: (machine, snapshot, event) → (snapshot, commands). Runs nothing. xstate's live actors re-run promises
 * and lose timers when they are restored, so none is ever made (research/durability-scale.md §2.4).
 */
export function advance(
  machine: AnyStateMachine,
  snapshot: JsonObject | null,
  event: { readonly type: string; readonly output?: unknown; readonly atMs?: number } | null,
): Advanced {
  const [next, actions] =
    snapshot === null || event === null
      ? initialTransition(machine)
      : transition(machine, machine.resolveState(snapshot as never), event);
  const commands: Command[] = [];
  for (const action of actions as readonly { type: string; params?: unknown }[]) {
    if (action.type !== "xstate.spawnChild") continue;
    const { id, src } = action.params as { id: string; src: string };
    commands.push({ kind: "effect", id, source: src });
  }
  const { value, context, status } = next as { value: unknown; context: unknown; status: string };
  // xstate stops a machine that has no answer to an error. That is breakage, and never the end of a decision.
  if (status !== "active" && status !== "done") throw new Error(`The machine stopped with status ${status}.`);
  return { snapshot: { value, context, status } as JsonObject, commands, done: status === "done" };
}

/** The event with which the machine learns that an effect is done, and when: unix milliseconds. It has no clock of its own. */
export const doneEvent = (id: string, output: unknown, atMs: number) =>
  ({ type: `xstate.done.actor.${id}`, output, atMs }) as const;
