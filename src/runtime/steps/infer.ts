import { deskOf } from "../../agents/desk.ts";
import { readAnswer } from "../../agents/answers.ts";
import type { Inference, Sampling } from "../../core/inference.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import { PromptTooLongError } from "../../inference/errors.ts";
import { askOfLeaf } from "../../journal/asks.ts";
import { outputOf } from "../../journal/decisions.ts";
import { promptAfter, recalledEntry, thoughtEntry, type Thought, type Turn } from "../deliberation.ts";
import { consentIn } from "../asking.ts";
import type { Step, StepContext, StepResult } from "../house.ts";
import { lookUp } from "../lookUp.ts";

/** Greedy: the same prompt has one answer, which is what a stranger can check. */
const sampling: Sampling = { kind: "greedy" };

/**
 * Step 2. Observation → Prompt → Inference, with what the agent looks up and tries again in between. Recorded whole; a recorded
 * inference is never run again to recover a decision.
 */
export const infer: Step = {
  when: "later",
  async run(context) {
    const recalled = recalledThought(context);
    if (recalled) return recalled;
    const thought = await think(context);
    return { value: thought as unknown as JsonObject, entry: thoughtEntry(thought) };
  },
};

/** What was thought before it was asked: a person said yes to that, and another thought would be something else. */
function recalledThought({ house, output }: StepContext): StepResult | undefined {
  const consent = consentIn(output("observe") as unknown as Observation);
  if (!consent) return undefined;
  const asked = askOfLeaf(house.journal, consent.ask);
  const thought = asked && outputOf(house.journal, asked.ask.decision, "infer");
  if (thought === undefined)
    throw new Error("A decision carries on with an ask that the journal does not hold.");
  return { value: thought, entry: recalledEntry(consent.ask) };
}

async function think({ house, output, signal }: StepContext): Promise<Thought> {
  const observation = output("observe") as unknown as Observation;
  const desk = deskOf(house.policy, house.account, observation);
  const { agent } = house;
  const turns: Turn[] = [];
  const within = (thought: Thought): Thought =>
    turns.length === 0 ? thought : { ...thought, earlier: turns };
  for (;;) {
    let inference: Inference;
    try {
      inference = await house.engine.infer(promptAfter(house, observation, turns), sampling, { signal });
    } catch (error) {
      if (!(error instanceof PromptTooLongError)) throw error;
      return within({ tooLong: error.shortMessage });
    }
    const answer = readAnswer(agent, inference, desk);
    if (answer.kind === "tool" && count(turns, "looked") < (agent.toolRounds ?? 0)) {
      const looked = await lookUp(house, agent.tools![answer.name]!, answer, { desk, observation, signal });
      turns.push({ inference, looked });
    } else if (answer.kind === "wrong" && count(turns, "wrong") < (agent.repairs ?? 0))
      turns.push({ inference, wrong: answer.why });
    else return within({ inference });
  }
}

const count = (turns: readonly Turn[], kind: "looked" | "wrong"): number =>
  turns.filter((turn) => kind in turn).length;
