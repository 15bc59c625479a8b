import type { JsonObject } from "../../core/json.ts";
import type { Prompt, RemoteConstraint, Sampling } from "../../core/inference.ts";
import type { Ask } from "./ask.ts";
import type { Framing } from "./readEvents.ts";

/** What is to be asked. */
export type Question = {
  readonly model: string;
  readonly prompt: Prompt;
  readonly sampling: Sampling;
  /** Context to ask for, in tokens, where the client says it (Ollama); else the server's own. */
  readonly contextSize: number | undefined;
  readonly logprobs: boolean;
  /** off: where the model's template has a switch for thinking, it is turned off; its thoughts would use up the answer's tokens. */
  readonly thinking: "off" | "as is";
};

/** What a server says of itself; names are ours. */
export type Claims = Readonly<Record<string, string>>;

export type Request = {
  readonly path: string;
  readonly body: object;
  /** The rendered prompt, where the server was asked for it before. */
  readonly promptTokens?: readonly number[];
};

/** What one document of an answer adds. Nothing in it was checked yet but its types. */
export type Piece = {
  readonly text?: string;
  readonly tokens?: readonly number[];
  readonly promptTokens?: readonly number[];
  /** Natural logarithms of probabilities. */
  readonly logprobs?: readonly number[];
  /** `end`, `maxTokens`, or whatever else the server calls it, which is no answer. */
  readonly stop?: string;
  /** The last token told is the end of the turn, which is no part of an answer. */
  readonly lastIsEnd?: boolean;
  readonly model?: string;
  readonly claims?: Claims;
  readonly usage?: {
    readonly promptTokens?: number;
    readonly cachedTokens?: number;
    readonly outputTokens?: number;
  };
};

/** How to speak to one kind of server. */
export type RemoteProfile = {
  readonly name: string;
  readonly framing: Framing;
  /** How far this server can be held to the prompt's form. */
  readonly constraint: (prompt: Prompt) => RemoteConstraint;
  /** What the server says of itself and its model. Also tells whether anybody is there. */
  readonly about: (ask: Ask, model: string) => Promise<Claims>;
  readonly prepare: (question: Question, ask: Ask, claims: Claims) => Promise<Request>;
  /** @throws ZodError when the document is not in this dialect */
  readonly read: (document: unknown) => Piece;
  /** Does this refusal say that prompt and answer do not fit the context? */
  readonly isTooLong: (said: string) => boolean;
};

/** The switches that templates of reasoning models look for; others pass over them. */
export const thinkingFields = ({ thinking }: Question): object =>
  thinking === "off" ? { chat_template_kwargs: { enable_thinking: false, thinking: false } } : {};

/** For servers that take a grammar. */
export const byGrammar = (prompt: Prompt): RemoteConstraint => ({
  kind: prompt.grammar === null ? "none" : "grammar",
});

/** For servers that take a JSON Schema and no grammar. */
export function bySchema(prompt: Prompt): RemoteConstraint {
  if (prompt.grammar === null) return { kind: "none" };
  if (prompt.jsonSchema === undefined)
    return { kind: "not enforced", why: "the server takes a JSON Schema only, and the prompt has none" };
  return { kind: "schema" };
}

/** The schema that `bySchema` promised. */
export const schemaOf = (prompt: Prompt): JsonObject | undefined =>
  prompt.grammar === null ? undefined : prompt.jsonSchema;
