import type { Agent } from "../core/agent.ts";
import type { Prompt } from "../core/inference.ts";
import type { Observation } from "../core/observation.ts";
import { linkPayees } from "./linkPayees.ts";
import { defineAgent } from "./defineAgent.ts";
import { payeesMeant } from "./payeesMeant.ts";

export type TreasurerOptions = {
  readonly name?: string;
  /** Folder of mails to watch, relative to the agent's file. */
  readonly inbox: string;
  /** Whom to believe about senders, relative to the agent's file (docs/mail.md). */
  readonly mailSettings: string;
  /**
   * Longest excerpt of a mail that the model reads, in characters; 480 when not given. The bundled clerk was trained
   * on user messages of up to about 640 characters, of which the list of payees takes a part.
   */
  readonly excerptCharacters?: number;
  /** Most tokens that a model which reasons may think in before it answers. Not for the clerk, which does not. */
  readonly thoughtTokens?: number;
};

/** Tokens that an action needs at most: the clerk spells names and numbers byte by byte. */
const maxTokens = 160;

/**
 * An agent that reads bills in a mail folder and proposes to pay them. It extracts and classifies; what may be paid is
 * the policy's business. The prompt is the one the bundled clerk was trained on.
 */
export function treasurer(options: TreasurerOptions): Agent {
  const { thoughtTokens } = options;
  return defineAgent({
    name: options.name ?? "treasurer",
    purpose: "Reads bills that arrive by mail and pays those the policy allows.",
    triggers: [
      {
        kind: "mailFolder",
        folder: options.inbox,
        settings: options.mailSettings,
        excerptCharacters: options.excerptCharacters ?? 480,
      },
    ],
    prompt: (observation) => ({
      ...treasurerPrompt(observation),
      ...(thoughtTokens === undefined ? {} : { thought: { maxTokens: thoughtTokens } }),
    }),
  });
}

/**
 * Only the payees that the mail may mean are listed, or all when it may mean none of them: among a hundred names a small
 * model finds the wrong one.
 */
export function treasurerPrompt(observation: Observation): Prompt {
  const meant = payeesMeant(observation);
  const payees = meant.length > 0 ? meant : (observation.facts["payees"]?.value as readonly string[]);
  const message = linkPayees(observation);
  return {
    messages: [
      { role: "system", content: "You are a payments clerk. Answer with one JSON action." },
      { role: "user", content: `payees: ${payees.join(", ")}\nmessage:\n${message}` },
    ],
    grammar: null,
    maxTokens,
  };
}
