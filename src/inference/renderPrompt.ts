import type { ChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import {
  Gemma4ChatWrapper,
  GeneralChatWrapper,
  HarmonyChatWrapper,
  JinjaTemplateChatWrapper,
  QwenChatWrapper,
  resolveChatWrapper,
  SeedChatWrapper,
} from "node-llama-cpp";
import type { ChatMessage } from "../core/inference.ts";
import type { ThoughtSyntax } from "./thoughtSyntax.ts";
import { hasMarker, openThought, stateOf, thoughtSyntaxOf, withoutThought } from "./thoughtSyntax.ts";
import { WorkerFailure } from "./workerFailure.ts";

/**
 * The day every template believes it to be. Some (Llama 3.1, 3.2, gpt-oss) write today's date into the system message;
 * a record would then render to other tokens tomorrow. This is the date Llama's own template falls back on; noon UTC
 * is that day in every time zone from -12 to +11.
 */
const TEMPLATE_DATE = new Date("2024-07-26T12:00:00Z");

/** Defined in front of a template that asks for the time: the same day in Llama's format, whatever format was asked for. */
const TEMPLATE_CLOCK = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro %}";

/** How this model wants its chats. */
export type Chat = {
  /** How it thinks, or null when its template knows no thoughts. */
  readonly thought: ThoughtSyntax | null;
  /**
   * Messages to token ids, by the model's own template, ready for the answer to begin, or the thought before it. Text in
   * messages never becomes a control token: `<|im_end|>` in a mail is those ten characters.
   */
  render(messages: readonly ChatMessage[], thinking: boolean): Token[];
};

export function openChat(model: LlamaModel): Chat {
  const template = model.fileInfo.metadata.tokenizer?.chat_template ?? "";
  const wrapper = chatWrapperOf(model, template);
  const quiet = quietWrapperOf(wrapper, model);
  const thought = thoughtSyntaxOf(wrapper, quiet, withClock(template));
  return Object.freeze({
    thought,
    render(messages: readonly ChatMessage[], thinking: boolean) {
      if (messages.at(-1)?.role !== "user")
        throw new WorkerFailure("request", "the last message is not the user's");
      if (thinking && thought === null)
        throw new WorkerFailure("request", "this model's template has no place for a thought");
      const text =
        thought === null
          ? stateOf(wrapper, messages, []).contextText
          : thinking
            ? openThought(wrapper, thought, messages)
            : withoutThought(quiet, thought, messages);
      return text.tokenize(model.tokenizer);
    },
  });
}

/**
 * Chosen by the file's content only: the binding would also look at the file's name, and two people may call the same bytes
 * differently.
 */
function chatWrapperOf(model: LlamaModel, template: string): ChatWrapper {
  const todayDate = TEMPLATE_DATE;
  const resolve = (jinja: string, type: "auto" | "jinjaTemplate" = "auto") =>
    resolveChatWrapper({
      type,
      bosString: model.tokens.bosString,
      fileInfo: model.fileInfo,
      tokenizer: model.tokenizer,
      llama: model.llama,
      // Not the file's name but a hint from its template: the binding tries its wrappers against the template one by
      // one, 15 ms each, and starts with those named here. The model's own name in the metadata weighs more.
      ...(template.includes("<|im_start|>") && { filename: "chatML.gguf" }),
      warningLogs: false,
      customWrapperSettings: {
        "llama3.1": { todayDate },
        "llama3.2-lightweight": { todayDate },
        harmony: { todayDate },
        muse: { todayDate },
        ...(jinja !== "" && { jinjaTemplate: { template: jinja } }),
      },
    });
  // With another clock the binding would not know gpt-oss's template again, and only its own wrapper for it knows thoughts.
  if (template.includes("<|channel|>analysis")) {
    const harmony = resolve(template);
    if (harmony instanceof HarmonyChatWrapper) return harmony;
  }
  const wrapper = resolve(withClock(template)) ?? new GeneralChatWrapper();
  // Where the binding's own wrapper writes the same chats but knows no thoughts, and the template does, the template is used.
  if (wrapper.settings.segments?.thought !== undefined || !template.includes("reasoning_content"))
    return wrapper;
  const own = resolve(withClock(template), "jinjaTemplate");
  return own && hasMarker(own, template) ? own : wrapper;
}

/** The same with the switch against thinking that its template has, as far as the binding knows one. */
function quietWrapperOf(wrapper: ChatWrapper, model: LlamaModel): ChatWrapper {
  if (wrapper instanceof QwenChatWrapper)
    return new QwenChatWrapper({ thoughts: "discourage", variation: wrapper.variation });
  if (wrapper instanceof SeedChatWrapper) return new SeedChatWrapper({ thinkingBudget: 0 });
  if (wrapper instanceof Gemma4ChatWrapper) return new Gemma4ChatWrapper({ reasoning: false });
  if (wrapper instanceof JinjaTemplateChatWrapper && wrapper.settings.segments?.thought !== undefined)
    return new JinjaTemplateChatWrapper({
      template: wrapper.template,
      tokenizer: model.tokenizer,
      reasoning: false,
    });
  return wrapper;
}

/** The template with a clock that stands still. */
const withClock = (template: string): string =>
  template.includes("strftime_now") ? TEMPLATE_CLOCK + template : template;
