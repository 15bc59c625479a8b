import { holdReasons } from "../../core/action.ts";
import { tokensDigest } from "../../core/decision.ts";
import type { Prompt, Sampling } from "../../core/inference.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Observation } from "../../core/observation.ts";
import { PromptTooLongError } from "../../inference/errors.ts";
import { actionGrammar } from "../../inference/grammar.ts";
import { candidateAmounts, referencesIn } from "../../policy/occurrences.ts";
import type { Step, StepContext } from "../house.ts";

/** Greedy: the same prompt has one answer, which is what a stranger can check. */
const sampling: Sampling = { kind: "greedy" };

/** Step 2. Observation → Prompt → Inference. Recorded whole; a recorded inference is never run again to recover a decision. */
export const infer: Step = {
  when: "later",
  async run(context) {
    const prompt = promptOf(context);
    try {
      const inference = await context.house.engine.infer(prompt, sampling, { signal: context.signal });
      return {
        value: { inference: inference as unknown as JsonObject },
        entry: {
          kind: "inferred",
          body: {
            model: inference.model.sha256,
            mode: inference.mode,
            promptTokens: tokensDigest(inference.promptTokens),
            outputTokens: tokensDigest(inference.outputTokens),
            text: inference.text,
          },
        },
      };
    } catch (error) {
      if (!(error instanceof PromptTooLongError)) throw error;
      return {
        value: { tooLong: error.shortMessage },
        entry: { kind: "too-long", body: { why: error.shortMessage } },
      };
    }
  },
};

/**
 * The agent's own prompt, with a grammar that leaves the model nothing to write but an action of this policy, with an
 * amount and a reference that stand in the message. The judge checks both again: a grammar shapes, it does not allow.
 */
export function promptOf({ house, output }: Pick<StepContext, "house" | "output">): Prompt {
  const observation = output("observe") as unknown as Observation;
  const prompt = house.agent.prompt(observation);
  const { policy } = house;
  const message = observation.facts["mail.text"]?.value;
  return {
    ...prompt,
    grammar:
      prompt.grammar ??
      actionGrammar({
        payees: policy.payees.map((payee) => payee.name),
        tokens: policy.limits.map((limit) => limit.token.symbol),
        holdReasons,
        ...(typeof message === "string"
          ? { message: { amounts: candidateAmounts(message), references: referencesIn(message) } }
          : {}),
      }),
  };
}
