import { afterRemembering, memoryFact, type Memory } from "../../core/memory.ts";
import type { Fact } from "../../core/observation.ts";
import { memoriesIn } from "../../journal/memories.ts";
import type { House } from "../house.ts";
import { memoriesOf } from "../remember.ts";
import type { Evidence } from "./evidence.ts";
import { same } from "./recordFailures.ts";

/** What the agent remembers as the decisions are gone through, from nothing on. */
export type Mind = { memories: readonly Memory[] };

/** An agent remembers what its earlier decisions left, with its provenance, and nothing else; this decision then adds its own. */
export function memoryFailures(house: House, evidence: Evidence, mind: Mind): readonly string[] {
  const { action, observation, thought, verdict } = evidence;
  const remembered = Object.fromEntries(
    mind.memories.map(({ name, provenance, value }): [string, Fact] => [
      memoryFact(name),
      { value, provenance },
    ]),
  );
  const observed = Object.fromEntries(
    Object.entries(observation.facts).filter(([name]) => name.startsWith(memoryFact(""))),
  );
  mind.memories = afterRemembering(mind.memories, memoriesOf(house, thought, action, verdict, observation));
  return same(observed, remembered)
    ? []
    : ["The observation remembers something else than the decisions before it left."];
}

/** What the journal holds for the next decision. */
export const mindFailures = ({ agent, journal }: House, { memories }: Mind): readonly string[] =>
  same(memoriesIn(journal, agent.name), memories)
    ? []
    : ["The journal's memory is not what the decisions left."];
