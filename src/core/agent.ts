import type { Prompt } from "./inference.ts";
import type { Observation } from "./observation.ts";

/** Where an agent's Triggers come from. Data, so that a declaration stays a declaration. */
export type TriggerSource = {
  readonly kind: "mailFolder";
  /** Folder of RFC 822 files (`*.eml`), relative to the agent's file. */
  readonly folder: string;
  /** Operator's mail settings (trusted servers, pinned DKIM keys), relative to the agent's file. */
  readonly settings: string;
  /** Longest excerpt of a mail that the model reads, in characters. */
  readonly excerptCharacters: number;
};

/** An agent is a declaration: what wakes it and what its model reads. It holds no client, no key, no state. */
export type Agent = {
  /** Lower case letters, digits and dashes; names the agent in the journal. */
  readonly name: string;
  /** One sentence for people. */
  readonly purpose: string;
  readonly triggers: readonly TriggerSource[];
  /** Observation → Prompt. Pure: the model sees nothing that is not in the Observation. */
  readonly prompt: (observation: Observation) => Prompt;
};
