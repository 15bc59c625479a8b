import { intentOf, isActing } from "../agents/answers.ts";
import { deskOf } from "../agents/desk.ts";
import type { Action } from "../core/action.ts";
import { isTainted, memoryOf, type Memory } from "../core/memory.ts";
import type { Observation } from "../core/observation.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Thought } from "./deliberation.ts";
import type { House } from "./house.ts";

/** What is written, or forgotten (null). */
export type Written = Memory | { readonly name: string; readonly value: null };

/**
 * What a decision makes its agent remember: of an action that its verdict allows. Pure. Whatever was written while anything
 * untrusted was on the table is untrusted itself, in every later prompt.
 */
export function memoriesOf(
  { account, agent, policy }: Pick<House, "account" | "agent" | "policy">,
  thought: Thought,
  action: Action,
  verdict: Verdict,
  observation: Observation,
): readonly Written[] {
  if (action.action !== "act" || verdict.kind !== "allow" || !isActing(agent)) return [];
  const { remember = {} } = intentOf(agent, action, deskOf(policy, account, observation));
  const tainted =
    isTainted(observation) ||
    (thought.earlier ?? []).some((turn) => "looked" in turn && turn.looked.provenance === "untrusted");
  return Object.entries(remember).map(([name, value]) =>
    value === null ? { name, value } : memoryOf(name, value, tainted),
  );
}
