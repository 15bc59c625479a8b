import type { ChatWrapper } from "node-llama-cpp";
import { JinjaTemplateChatWrapper, LlamaText, SpecialTokensText } from "node-llama-cpp";

/** How a model's template marks a thought. Texts of the template's own, never of a message. */
export type ThoughtSyntax = {
  /** What opens a thought; null where the template opens one wherever an answer is to begin. */
  readonly opening: string | null;
  /** What the model writes to end its thought, without white space around it. */
  readonly marker: string;
  /** What stands between thought and answer, the marker included. */
  readonly bridge: string;
  /** The empty thought with which the template says that there is to be none; null where it does not say so. */
  readonly empty: string | null;
};

/** Two texts that stand for a thought and an answer, to see what the template puts between them. */
const THOUGHT = "a thought";
const ANSWER = "an answer";
const QUESTION = [{ role: "user", content: "?" }] as const;

/** Whether the wrapper knows thoughts and the template too: a wrapper may serve models that think and models that don't. */
export function hasMarker(wrapper: ChatWrapper, template: string): boolean {
  const suffix = wrapper.settings.segments?.thought?.suffix;
  const marker = suffix === undefined ? "" : textOf(LlamaText(suffix)).trim();
  return marker !== "" && template.includes(marker);
}

/**
 * What the binding and the template's own rendering say, or null when the template has no place for a thought.
 *
 * @param quiet the wrapper of a model that is not to think
 * @param template the file's own template
 */
export function thoughtSyntaxOf(
  wrapper: ChatWrapper,
  quiet: ChatWrapper,
  template: string,
): ThoughtSyntax | null {
  const settings = wrapper.settings.segments?.thought;
  if (settings?.suffix === undefined || !hasMarker(wrapper, template)) return null;
  const suffix = textOf(LlamaText(settings.suffix));
  const marker = suffix.trim();
  const prefix = isText(settings.prefix) ? textOf(LlamaText(settings.prefix)) : null;
  const mark = (prefix ?? "").trim();
  const [thinking = "", silent = ""] = [true, false].map((reasoning) => answerPlace(template, reasoning));
  const opened = (place: string) => mark !== "" && place.trimEnd().endsWith(mark);
  const closed = silent.trimEnd().endsWith(marker);
  const rendered = bridgeOf(wrapper);
  const between = rendered?.includes(marker) ? rendered : suffix;
  const quietPlace = split(render(quiet, QUESTION, [])).tail;
  // Some wrappers leave the white space behind the marker to the model; an empty thought shows it.
  const spaces = [silent, quietPlace].map((place) =>
    place.trimEnd().endsWith(marker) ? place.slice(place.trimEnd().length) : "",
  );
  const bridge = between.endsWith(marker)
    ? between + spaces.reduce((a, b) => (a.length < b.length ? b : a))
    : between;
  const from = mark === "" ? -1 : silent.lastIndexOf(mark);
  return {
    opening: prefix !== null && opened(thinking) ? thinking.slice(thinking.lastIndexOf(mark)) : prefix,
    marker,
    bridge,
    empty:
      from < 0 ? null : closed ? silent.slice(from) : opened(silent) ? silent.slice(from) + bridge : null,
  };
}

/** The rendered chat up to the place where the model thinks. */
export function openThought(
  wrapper: ChatWrapper,
  { opening, marker }: ThoughtSyntax,
  chat: readonly Message[],
): LlamaText {
  if (opening === null) {
    const { values } = render(wrapper, chat, [endedThought]);
    const at = values.lastIndexOf(THOUGHT);
    if (at >= 0) return LlamaText(values.slice(0, at));
  }
  const { head, tail } = split(render(wrapper, chat, []));
  const bare = tail.trimEnd();
  const mark = (opening ?? "").trim();
  if (mark !== "" && bare.endsWith(mark)) return LlamaText([...head, special(tail)]);
  // Templates that show a past answer without its thought close an empty one first.
  const unclosed = bare.endsWith(marker) ? bare.slice(0, -marker.length) : tail;
  const before =
    unclosed !== tail && mark !== "" && unclosed.trimEnd().endsWith(mark)
      ? unclosed.trimEnd().slice(0, -mark.length)
      : unclosed;
  return LlamaText([...head, special(before + (opening ?? ""))]);
}

/** The rendered chat up to the answer of a model that is not to think, said in the template's own way if it has one. */
export function withoutThought(
  quiet: ChatWrapper,
  { bridge, empty, marker, opening }: ThoughtSyntax,
  chat: readonly Message[],
): LlamaText {
  const { contextText, noPrefixTrigger } = stateOf(quiet, chat, []);
  if (noPrefixTrigger !== undefined) return LlamaText([contextText, noPrefixTrigger.inject ?? ""]);
  const { head, tail } = split(contextText);
  const mark = (opening ?? "").trim();
  if (tail.trimEnd().endsWith(marker)) return contextText;
  if (mark !== "" && tail.trimEnd().endsWith(mark)) return LlamaText([...head, special(tail + bridge)]);
  return empty === null ? contextText : LlamaText([...head, special(tail + empty)]);
}

export type Message = { readonly role: "system" | "user" | "assistant"; readonly content: string };

type Response = Extract<
  Parameters<ChatWrapper["generateContextState"]>[0]["chatHistory"][number],
  { type: "model" }
>["response"];

const endedThought = { type: "segment", segmentType: "thought", text: THOUGHT, ended: true } as const;

/** What the template writes between a thought and the answer after it. */
function bridgeOf(wrapper: ChatWrapper): string | null {
  const { values } = render(wrapper, QUESTION, [endedThought, ANSWER]);
  const from = values.lastIndexOf(THOUGHT);
  const to = values.lastIndexOf(ANSWER);
  return from < 0 || to < from ? null : textOf(LlamaText(values.slice(from + 1, to)));
}

/**
 * The end of a prompt as the template itself writes it, with its usual switch for thinking. The binding's wrappers ask for
 * answers in another way, which not every template prepares for.
 */
function answerPlace(template: string, reasoning: boolean): string {
  try {
    const plain = new JinjaTemplateChatWrapper({
      template,
      reasoning,
      functionCallMessageTemplate: "noJinja",
      additionalRenderParameters: { add_generation_prompt: true },
    });
    const chatHistory = [{ type: "user" as const, text: "?" }];
    return split(plain.generateContextState({ chatHistory }).contextText).tail;
  } catch {
    // A template that the binding can't run is served by one of its own wrappers.
    return "";
  }
}

function render(wrapper: ChatWrapper, chat: readonly Message[], response: Response): LlamaText {
  return stateOf(wrapper, chat, response).contextText;
}

/** The chat with an answer that has begun like this; an empty one asks for the place where the answer starts. */
export function stateOf(wrapper: ChatWrapper, chat: readonly Message[], response: Response) {
  return wrapper.generateContextState({
    chatHistory: [
      ...chat.map(({ role, content }) =>
        role === "assistant"
          ? { type: "model" as const, response: [content] }
          : { type: role, text: content },
      ),
      { type: "model", response },
    ],
  });
}

/** The template's own text at the end, and what is before it: only there may anything be cut. */
function split({ values }: LlamaText) {
  const own = values.findLastIndex((value) => !(value instanceof SpecialTokensText) && value !== "");
  return { head: values.slice(0, own + 1), tail: textOf(LlamaText(values.slice(own + 1))) };
}

const special = (text: string) => new SpecialTokensText(text);
const isText = (prefix: unknown): prefix is string | LlamaText =>
  typeof prefix === "string" || LlamaText.isLlamaText(prefix);
const textOf = (text: LlamaText): string =>
  text.values
    .map((value) =>
      typeof value === "string" ? value : value instanceof SpecialTokensText ? value.value : "",
    )
    .join("");
