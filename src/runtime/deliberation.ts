import * as z from "zod";

import { holdReasons } from "../core/action.ts";
import type { Agent } from "../core/agent.ts";
import { tokensDigest } from "../core/decision.ts";
import type { Inference, Prompt } from "../core/inference.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Fact, Observation, Provenance } from "../core/observation.ts";
import { answerShapes, isActing } from "../agents/answers.ts";
import { fence } from "../agents/fence.ts";
import { payeesMeant } from "../agents/payeesMeant.ts";
import { actionAnswers } from "../inference/grammar.ts";
import { jsonSchemaOf } from "../inference/jsonSchemaOf.ts";
import { schemaGrammar } from "../inference/schemaGrammar.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import { candidateAmounts, candidateReferences } from "../policy/occurrences.ts";

/** An inference that was not the last one, and what it led to. */
export type Turn = { readonly inference: Inference } & (
  | { readonly looked: LookUp }
  /** Why its answer was none. */
  | { readonly wrong: string }
);

/** What a tool was asked and said. */
export type LookUp = {
  readonly tool: string;
  readonly input: JsonObject;
  readonly provenance: Provenance;
  readonly result: Json;
  readonly failed: boolean;
};

/** What `infer` hands on: the inference that answers with those before it, or why there is none. */
export type Thought = { readonly earlier?: readonly Turn[] } & (
  { readonly inference: Inference } | { readonly tooLong: string }
);

/** Most ways to begin whose odds are asked for. */
const MOST_OPTIONS = 16;

/** Everything that a prompt follows from. */
type Asked = { readonly agent: Agent; readonly policy: CompiledPolicy };

/**
 * The prompt after some turns: the agent's own, then what the model wrote each time and what came of it. Pure, so that a verifier
 * makes the same one. Its grammar leaves nothing to write but an answer of this agent; a grammar shapes, it does not allow.
 */
export function promptAfter(asked: Asked, observation: Observation, turns: readonly Turn[]): Prompt {
  const { agent, policy } = asked;
  const prompt = agent.prompt(observation);
  const mayLookUp = turns.filter((turn) => "looked" in turn).length < (agent.toolRounds ?? 0);
  return {
    ...prompt,
    messages: [
      ...prompt.messages,
      ...turns.flatMap((turn) => [
        { role: "assistant" as const, content: turn.inference.text },
        { role: "user" as const, content: replyTo(turn) },
      ]),
    ],
    ...(prompt.grammar === null ? formOf(answersOf(agent, policy, observation, mayLookUp)) : {}),
    ...(prompt.options && { options: prompt.options }),
  };
}

function replyTo(turn: Turn): string {
  if ("wrong" in turn)
    return `That answer can't be used: ${turn.wrong}. Answer again with one JSON object of the given shapes.`;
  const { provenance, result, tool } = turn.looked;
  const fact: Fact = { provenance, value: result };
  return fence(tool, fact);
}

/** The form of an answer, for engines that take a grammar and for those that take a schema, and the choice that it begins with. */
function formOf(answers: z.ZodType): Pick<Prompt, "grammar" | "jsonSchema" | "options"> {
  const jsonSchema = jsonSchemaOf(answers);
  const options = beginningsOf(answers);
  return {
    grammar: schemaGrammar(answers),
    ...(jsonSchema ? { jsonSchema } : {}),
    // One way to begin is no choice, and each costs a pass of its own.
    ...(options.length > 1 && options.length <= MOST_OPTIONS ? { options } : {}),
  };
}

/** How each answer begins, up to the name of what it does: the choice whose odds are recorded. */
function beginningsOf(answers: z.ZodType): readonly string[] {
  const shapes = answers instanceof z.ZodUnion ? answers.options : [answers];
  return shapes.flatMap((shape) => {
    const [first] = shape instanceof z.ZodObject ? Object.entries(shape.shape) : [];
    const [key, name] = first ?? [];
    return key !== undefined && name instanceof z.ZodLiteral
      ? [`{${JSON.stringify(key)}:${JSON.stringify(name.value)}`]
      : [];
  });
}

/** What an agent may write. */
function answersOf(
  agent: Agent,
  policy: CompiledPolicy,
  observation: Observation,
  tools: boolean,
): z.ZodType {
  if (isActing(agent)) return z.union(answerShapes(agent, tools));
  const message = observation.facts["mail.text"]?.value;
  const names = namesOf(policy);
  if (typeof message !== "string") return actionAnswers(names);
  const meant = payeesMeant(observation);
  return actionAnswers({
    ...names,
    payees: names.payees.filter((name) => meant.includes(name)),
    message: { amounts: candidateAmounts(message), references: candidateReferences(message) },
  });
}

/** What an agent without actions of its own may name. */
const namesOf = (policy: CompiledPolicy) => ({
  payees: policy.payees.map((payee) => payee.name),
  tokens: policy.limits.map((limit) => limit.token.symbol),
  holdReasons,
});

/** Before anything was observed. @throws InvalidRequestError for what no grammar can hold */
export const grammarOf = ({ agent, policy }: Asked, tools: boolean): string =>
  schemaGrammar(isActing(agent) ? z.union(answerShapes(agent, tools)) : actionAnswers(namesOf(policy)));

/** The audit log's line about the thinking. */
export function thoughtEntry(thought: Thought): { readonly kind: string; readonly body: JsonObject } {
  const earlier = thought.earlier ?? [];
  const told = earlier.length === 0 ? {} : { earlier: earlier.map(turnWords) };
  return "tooLong" in thought
    ? { kind: "too-long", body: { why: thought.tooLong, ...told } }
    : { kind: "inferred", body: { ...inferenceWords(thought.inference), ...told } };
}

/** The same of a decision that carries on with what another thought, because somebody said yes to it. */
export const recalledEntry = (ask: string): { readonly kind: string; readonly body: JsonObject } => ({
  kind: "recalled",
  body: { ask },
});

const inferenceWords = (inference: Inference): JsonObject => ({
  model: inference.model.sha256,
  mode: inference.mode,
  promptTokens: tokensDigest(inference.promptTokens),
  outputTokens: tokensDigest(inference.outputTokens),
  text: inference.text,
});

const turnWords = (turn: Turn): JsonObject => ({
  ...inferenceWords(turn.inference),
  ...("looked" in turn
    ? { tool: turn.looked.tool, failed: turn.looked.failed, result: turn.looked.result }
    : { wrong: turn.wrong }),
});

/** Every inference of a thought, in order. */
export const inferencesOf = (thought: Thought): readonly Inference[] => [
  ...(thought.earlier ?? []).map(({ inference }) => inference),
  ...("inference" in thought ? [thought.inference] : []),
];
