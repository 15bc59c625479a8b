import * as z from "zod";

import type { ActionDeclaration, ToolDeclaration } from "../core/agent.ts";
import type { Prompt } from "../core/inference.ts";
import type { Fact, Observation } from "../core/observation.ts";
import type { ActingAgent } from "./answers.ts";
import { fence } from "./fence.ts";

export type InstructOptions = {
  /** Facts of the Observation that the model reads, by name, in this order; `memory.*` is all that begin like that. */
  readonly facts: readonly string[];
  /** Most tokens of one answer. */
  readonly maxTokens: number;
  /** Most tokens that a model which reasons may think in before it answers. Without it, it may not; other models refuse it. */
  readonly thoughtTokens?: number;
  /** What the agent is told beside its purpose and its actions. */
  readonly guidance?: string;
};

/** A prompt for any instructed model: purpose, actions, tools, then the facts, each fenced and labelled with who stands behind it. */
export function instruct(
  agent: Pick<ActingAgent, "purpose" | "actions" | "holds" | "tools">,
  options: InstructOptions,
): (observation: Observation) => Prompt {
  const system = [
    agent.purpose,
    ...(options.guidance === undefined ? [] : [options.guidance]),
    "Answer with exactly one JSON object and nothing else. Possible answers:",
    ...Object.entries(agent.tools ?? {}).map(([name, tool]) => shapeWords("tool", name, tool)),
    ...Object.entries(agent.actions).map(([name, action]) => shapeWords("action", name, action)),
    `- {"action":"hold","reason":${agent.holds.map((reason) => JSON.stringify(reason)).join("|")}} Do nothing.`,
  ].join("\n");
  return (observation) => ({
    messages: [
      { role: "system", content: system },
      {
        role: "user",
        content: options.facts
          .flatMap((name) => factsNamed(observation, name))
          .map(([name, fact]) => fence(name, fact))
          .join("\n"),
      },
    ],
    grammar: null,
    maxTokens: options.maxTokens,
    ...(options.thoughtTokens === undefined ? {} : { thought: { maxTokens: options.thoughtTokens } }),
  });
}

function factsNamed({ facts }: Observation, name: string): readonly (readonly [string, Fact])[] {
  if (!name.endsWith(".*")) return facts[name] === undefined ? [] : [[name, facts[name]]];
  return Object.entries(facts)
    .filter(([one]) => one.startsWith(name.slice(0, -1)))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function shapeWords(
  key: "action" | "tool",
  name: string,
  { input, words }: Pick<ActionDeclaration | ToolDeclaration, "input" | "words">,
): string {
  const { properties = {} } = z.toJSONSchema(input, { io: "input" });
  const members = Object.entries(properties).map(([member, schema]) => {
    const { description, enum: values, pattern, type } = schema as Readonly<Record<string, unknown>>;
    const form = Array.isArray(values)
      ? values.map((value) => JSON.stringify(value)).join("|")
      : `<${[type, pattern, description].filter((part) => typeof part === "string").join(", ")}>`;
    return `,${JSON.stringify(member)}:${form}`;
  });
  return `- {"${key}":"${name}"${members.join("")}} ${words}`;
}
