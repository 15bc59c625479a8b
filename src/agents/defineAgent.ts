import type { Agent } from "../core/agent.ts";
import { BaseError } from "../core/errors.ts";

/** An agent's declaration that can't work. */
export class AgentDeclarationError extends BaseError {
  override readonly name = "AgentDeclarationError";
}

/**
 * Checks an agent's declaration and freezes it.
 *
 * @example
 * export default defineAgent({ name: "watcher", purpose: "Reads mail and holds.", triggers: [...], prompt: (observation) => ... });
 */
export function defineAgent(agent: Agent): Agent {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(agent.name))
    throw new AgentDeclarationError(`"${agent.name}" is not an agent's name.`, {
      remedy: 'Use lower case letters, digits and dashes, e.g. "treasurer".',
    });
  if (agent.triggers.length === 0)
    throw new AgentDeclarationError(`Nothing wakes the agent ${agent.name}.`, {
      remedy: "Give it at least one trigger, e.g. a mail folder.",
    });
  if (typeof agent.prompt !== "function")
    throw new AgentDeclarationError(`The agent ${agent.name} has no prompt.`, {
      remedy: "Give it a pure function from Observation to Prompt.",
    });
  return Object.freeze({ ...agent, triggers: Object.freeze([...agent.triggers]) });
}
