import type { Agent } from "../core/agent.ts";
import { BaseError } from "../core/errors.ts";
import { instruct, type InstructOptions } from "./instruct.ts";

/** An agent's declaration that can't work. */
export class AgentDeclarationError extends BaseError {
  override readonly name = "AgentDeclarationError";
}

/** An agent as it is written down: its prompt is a function, or what an instructed model is told by itself (`instruct`). */
export type AgentDraft = Omit<Agent, "prompt"> & { readonly prompt: Agent["prompt"] | InstructOptions };

/** Why any agent may decline to act. */
const defaultHolds = ["unclear", "nothing-to-do"] as const;
/** Reasons that only the runtime gives. */
const ownReasons: readonly string[] = ["unparsable", "unusable", "cut-off", "too-long"];
const defaultToolRounds = 4;
const mostToolRounds = 16;
const defaultRepairs = 1;
const mostRepairs = 3;

/**
 * Checks an agent's declaration and freezes it.
 *
 * @example
 * export default defineAgent({ name: "watcher", purpose: "Reads mail and holds.", triggers: [...], prompt: (observation) => ... });
 * @throws AgentDeclarationError
 */
export function defineAgent(draft: AgentDraft): Agent {
  const { actions, holds = defaultHolds, name, tools = {} } = draft;
  const requires = (holdsTrue: boolean, what: string, remedy: string) => {
    if (!holdsTrue) throw new AgentDeclarationError(what, { remedy });
  };
  requires(
    /^[a-z][a-z0-9-]{0,31}$/.test(name),
    `"${name}" is not an agent's name.`,
    'Use lower case letters, digits and dashes, e.g. "treasurer".',
  );
  requires(
    draft.triggers.length > 0,
    `Nothing wakes the agent ${name}.`,
    "Give it at least one trigger, e.g. a mail folder.",
  );
  // Whoever writes JavaScript may have left it out.
  const given = draft.prompt as AgentDraft["prompt"] | undefined;
  const prompts = typeof given === "function" || (actions !== undefined && given !== undefined);
  requires(
    prompts,
    `The agent ${name} has no prompt.`,
    "Give it a pure function from Observation to Prompt; one with actions of its own may name the facts it reads instead.",
  );
  const words = { ...actions, ...tools };
  for (const [word, { input }] of Object.entries(words)) {
    requires(
      /^[a-z][a-zA-Z0-9-]{0,31}$/.test(word) && word !== "hold",
      `"${word}" can't be an action or a tool.`,
      "Use letters, digits and dashes, beginning with a small letter; `hold` is there already.",
    );
    requires(
      !("action" in input.shape) && !("tool" in input.shape),
      `The input of ${word} has a key that says which answer it is.`,
      "Rename the key: `action` and `tool` are taken.",
    );
  }
  for (const [word, { calls, once }] of Object.entries(actions ?? {}))
    requires(
      once === undefined || calls !== undefined,
      `The action ${word} must not happen twice, but makes no calls.`,
      "Give it calls, or leave `once` out: what is only recorded may be recorded again.",
    );
  requires(
    actions !== undefined || (Object.keys(tools).length === 0 && draft.holds === undefined),
    `The agent ${name} has tools or holds, but no actions of its own.`,
    "Declare its actions; without them it pays and holds as the bundled clerk was taught.",
  );
  requires(
    holds.length > 0 &&
      holds.every((reason) => /^[a-z][a-z0-9-]{0,31}$/.test(reason) && !ownReasons.includes(reason)),
    `The agent ${name} has a reason to hold that can't be one.`,
    `Use lower case letters, digits and dashes; ${ownReasons.join(", ")} are the runtime's.`,
  );
  const { repairs = defaultRepairs, toolRounds = defaultToolRounds } = draft;
  requires(
    isWithin(toolRounds, mostToolRounds) && isWithin(repairs, mostRepairs),
    `The agent ${name} may look up or try again too often, or a part of a time.`,
    `Give toolRounds of 0 to ${mostToolRounds}, and repairs of 0 to ${mostRepairs}.`,
  );
  const { prompt, ...rest } = draft;
  const acting =
    actions === undefined
      ? {}
      : { actions: Object.freeze({ ...actions }), holds, tools, toolRounds, repairs };
  return Object.freeze({
    ...rest,
    ...acting,
    triggers: Object.freeze([...draft.triggers]),
    prompt:
      typeof prompt === "function"
        ? prompt
        : instruct({ purpose: draft.purpose, actions: actions!, holds, tools }, prompt),
  });
}

const isWithin = (count: number, most: number): boolean =>
  Number.isInteger(count) && count >= 0 && count <= most;
