import { readAnswer } from "../../agents/answers.ts";
import { deskOf } from "../../agents/desk.ts";
import type { Action } from "../../core/action.ts";
import type { Observation } from "../../core/observation.ts";
import type { Thought } from "../deliberation.ts";
import type { House, Step } from "../house.ts";

/** Step 3. Text → Action by strict schema. Anything else becomes a hold, recorded as such. */
export const parse: Step = {
  when: "now",
  run({ house, output }) {
    const action = actionOf(
      house,
      output("infer") as unknown as Thought,
      output("observe") as unknown as Observation,
    );
    return {
      value: action,
      entry: { kind: "parsed", body: { action } },
    };
  },
};

/** What a thought comes to. */
export function actionOf(
  { account, agent, policy }: Pick<House, "account" | "agent" | "policy">,
  thought: Thought,
  observation: Observation,
): Action {
  if ("tooLong" in thought) return { action: "hold", reason: "too-long" };
  const answer = readAnswer(agent, thought.inference, deskOf(policy, account, observation));
  if (answer.kind === "action") return answer.action;
  return { action: "hold", reason: answer.kind === "wrong" ? answer.hold : "unparsable" };
}
