import type { LlamaModel, Token } from "node-llama-cpp";
import { LlamaText, SpecialTokensText } from "node-llama-cpp";
import type { ThoughtSpan } from "../core/inference.ts";
import type { ThoughtSyntax } from "./thoughtSyntax.ts";

/** A thought, and the tokens that are put behind it. */
export type ClosedThought = { readonly span: ThoughtSpan; readonly forced: readonly Token[] };

/** Tokens looked at beyond the marker's own bytes: a token may hold a part of the marker and more. */
const SLACK = 8;

/** Whether a thought ends with its last token, and by what. Asked after every token, so only the last ones are spelled. */
export function endOfThought(
  model: LlamaModel,
  { marker }: ThoughtSyntax,
  tokens: readonly Token[],
  maxTokens: number,
): "model" | "budget" | null {
  const tail = tokens.slice(-(Buffer.byteLength(marker) + SLACK));
  if (spell(model, tail).includes(marker)) return "model";
  return tokens.length >= maxTokens ? "budget" : null;
}

/** What is put behind a thought, so that the answer begins as the template begins answers. */
export function closeThought(
  model: LlamaModel,
  syntax: ThoughtSyntax,
  tokens: readonly Token[],
  end: ThoughtSpan["end"],
): ClosedThought {
  const spelled = spell(model, tokens);
  const at = end === "model" ? spelled.lastIndexOf(syntax.marker) : -1;
  const text = at < 0 ? spelled : spelled.slice(0, at);
  const forced = bridgeTokens(model, at < 0 ? syntax.bridge : rest(syntax, spelled.slice(at)));
  return { span: { text, tokens: tokens.length, forced: forced.length, end }, forced };
}

/** Most tokens that may be put behind a thought. */
export function longestBridge(model: LlamaModel, { bridge }: ThoughtSyntax): number {
  return bridgeTokens(model, bridge).length;
}

/**
 * The thought that recorded tokens hold, or null when they hold none of that kind: it has to end where it says, by what it
 * says, and behind it has to stand what is always put there. That the model would have wanted to end its turn is for the
 * logits to say.
 */
export function thoughtIn(
  model: LlamaModel,
  syntax: ThoughtSyntax,
  outputTokens: readonly number[],
  recorded: ThoughtSpan,
  maxTokens: number,
): ThoughtSpan | null {
  const tokens = outputTokens.slice(0, recorded.tokens) as Token[];
  if (tokens.length !== recorded.tokens) return null;
  for (let length = 1; length <= tokens.length; length++) {
    const end = endOfThought(model, syntax, tokens.slice(0, length), maxTokens);
    if (end !== (length < tokens.length || recorded.end === "turn" ? null : recorded.end)) return null;
  }
  if (tokens.length === 0 && recorded.end !== "turn") return null;
  const { forced, span } = closeThought(model, syntax, tokens, recorded.end);
  const there = outputTokens.slice(span.tokens, span.tokens + span.forced);
  return there.length === forced.length && forced.every((token, index) => token === there[index])
    ? span
    : null;
}

/** What of the bridge is still missing behind the marker; a token may have brought some white space with it. */
function rest({ bridge, marker }: ThoughtSyntax, fromMarker: string): string {
  const behind = bridge.slice(bridge.indexOf(marker) + marker.length);
  const written = fromMarker.slice(marker.length);
  return behind.startsWith(written) ? behind.slice(written.length) : behind.trimStart();
}

const bridgeTokens = (model: LlamaModel, text: string): readonly Token[] =>
  text === "" ? [] : LlamaText(new SpecialTokensText(text)).tokenize(model.tokenizer, "trimLeadingSpace");

/** With the tokens' own names where they are no text: markers are often such tokens. */
const spell = (model: LlamaModel, tokens: readonly Token[]): string => model.detokenize(tokens, true);
