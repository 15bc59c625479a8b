import { isAddress, isHex, maxUint256, type Address, type Hex } from "viem";
import * as z from "zod";

import type { Agent, Desk } from "../core/agent.ts";
import { parseAction, type Action } from "../core/action.ts";
import { canonicalize } from "../core/canonical.ts";
import { sentenceOf } from "../core/errors.ts";
import type { Inference } from "../core/inference.ts";
import type { JsonObject } from "../core/json.ts";
import { readMemories } from "../core/memory.ts";
import { mostCalls } from "../policy/measureCalls.ts";

/** What a model's text comes to for an agent. `wrong`: it is no answer; `why` is for the model and the record. */
export type Answer =
  | { readonly kind: "action"; readonly action: Action }
  | { readonly kind: "tool"; readonly name: string; readonly input: JsonObject }
  | { readonly kind: "wrong"; readonly hold: "unparsable" | "unusable" | "cut-off"; readonly why: string };

/** What a model wrote, and whether it was done then. */
export type Written = Pick<Inference, "prompt" | "stopReason" | "text">;

/** An agent with actions of its own. Others write what the bundled clerk was taught. */
export type ActingAgent = Agent & Required<Pick<Agent, "actions" | "holds">>;

export const isActing = (agent: Agent): agent is ActingAgent => agent.actions !== undefined;

/**
 * The shapes of everything that an agent may write now, for its grammar and for its instructions: each of its actions, to hold,
 * and its tools while it may still look something up.
 */
export function answerShapes(agent: ActingAgent, tools: boolean): readonly z.ZodObject[] {
  const shapes = (
    key: "action" | "tool",
    declared: Readonly<Record<string, { readonly input: z.ZodObject }>>,
  ) =>
    Object.entries(declared).map(([name, { input }]) =>
      z.strictObject({ [key]: z.literal(name), ...input.shape }),
    );
  return [
    ...(tools ? shapes("tool", agent.tools ?? {}) : []),
    ...shapes("action", agent.actions),
    z.strictObject({ action: z.literal("hold"), reason: z.enum(agent.holds) }),
  ];
}

/**
 * The model's text as an answer of this agent, strictly: one JSON object of a declared shape whose input its schema takes and of
 * which its code can make calls. A grammar shapes the text, but it knows nothing of refinements, and remote engines may have none.
 */
export function readAnswer(agent: Agent, written: Written, desk: Desk): Answer {
  const answer = answerIn(agent, written.text, desk);
  if (answer.kind !== "wrong" || answer.hold !== "unparsable" || written.stopReason !== "maxTokens")
    return answer;
  return { kind: "wrong", hold: "cut-off", why: `it was cut off after ${written.prompt.maxTokens} tokens` };
}

function answerIn(agent: Agent, text: string, desk: Desk): Answer {
  if (!isActing(agent)) {
    const action = parseAction(text);
    return action.action === "hold" && action.reason === "unparsable"
      ? wrong("it is not an action")
      : { kind: "action", action };
  }
  const value = objectIn(text);
  if (!value) return wrong("it is not one JSON object");
  const { action, tool, ...input } = value;
  if (typeof tool === "string" && action === undefined) {
    const declared = ownOf(agent.tools ?? {}, tool);
    if (!declared) return wrong(`there is no tool ${JSON.stringify(tool)}`);
    const mistake = mistakeIn(declared.input, input);
    return mistake === undefined ? { kind: "tool", name: tool, input } : wrong(mistake);
  }
  if (typeof action !== "string" || tool !== undefined) return wrong('it has no "action"');
  if (action === "hold") {
    const held = z.strictObject({ reason: z.enum(agent.holds) }).safeParse(input);
    if (!held.success) return wrong(wordsOf(held.error));
    return { kind: "action", action: Object.freeze({ action: "hold", reason: held.data.reason }) };
  }
  const declared = ownOf(agent.actions, action);
  if (!declared) return wrong(`there is no action ${JSON.stringify(action)}`);
  const mistake = mistakeIn(declared.input, input);
  if (mistake !== undefined) return wrong(mistake);
  const act = Object.freeze({ action: "act", name: action, input } as const);
  try {
    intentOf(agent, act, desk);
  } catch (error) {
    return { kind: "wrong", hold: "unusable", why: sentenceOf(error) };
  }
  return { kind: "action", action: act };
}

/** What an agent's own code makes of its action. @throws whatever that code throws */
export function intentOf(agent: ActingAgent, act: Extract<Action, { action: "act" }>, desk: Desk) {
  const declared = ownOf(agent.actions, act.name);
  if (!declared) throw new Error(`there is no action ${JSON.stringify(act.name)}`);
  // Parsed anew: defaults and transformations of the schema are for the code, the record keeps what the model wrote.
  const input = declared.input.strict().parse(act.input) as never;
  const made = declared.calls && checked(madeSchema, declared.calls(input, desk));
  const once = declared.once && checked(keySchema, declared.once(input, desk));
  const wanted = declared.remember?.(input, desk);
  return {
    spends: made?.spends,
    calls: made?.calls ?? [],
    once,
    remember: wanted && readMemories(wanted),
  };
}

/**
 * What everything after it takes for granted. An agent's code may hand on what a model wrote as it is, and a decision that fails at
 * that later, inside of its own transaction, would fail at every start again.
 */
const madeSchema = z.object({
  spends: z.string(),
  calls: z
    .array(
      z.object({
        to: z.custom<Address>(
          (to) => typeof to === "string" && isAddress(to, { strict: false }),
          "is no address",
        ),
        valueWei: z.bigint().min(0n).max(maxUint256),
        data: z.custom<Hex>((data) => isHex(data) && data.length % 2 === 0, "is no whole bytes in hex"),
      }),
    )
    .min(1, "the action came to no call")
    .max(mostCalls),
});
const keySchema = z
  .string()
  .max(256)
  .refine((key) => key.isWellFormed(), "holds half a character");

function checked<Shape extends z.ZodType>(shape: Shape, made: unknown): z.output<Shape> {
  const parsed = shape.safeParse(made);
  if (parsed.success) return parsed.data;
  throw new Error(wordsOf(parsed.error));
}

const wrong = (why: string): Answer => ({ kind: "wrong", hold: "unparsable", why });

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    // No floats and no lone surrogates: what can't be recorded is no answer.
    canonicalize(value as JsonObject);
    return value as JsonObject;
  } catch {
    return undefined;
  }
}

/** Names that every object inherits are no declarations. */
const ownOf = <T>(declared: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(declared, name) ? declared[name] : undefined;

function mistakeIn(schema: z.ZodObject, input: JsonObject): string | undefined {
  const parsed = schema.strict().safeParse(input);
  return parsed.success ? undefined : wordsOf(parsed.error);
}

const wordsOf = (error: z.ZodError): string =>
  sentenceOf(
    error.issues
      .slice(0, 3)
      .map(({ message, path }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
      .join("; "),
  );
