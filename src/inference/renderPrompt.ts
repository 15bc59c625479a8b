import type { ChatHistoryItem, ChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import { GeneralChatWrapper, resolveChatWrapper } from "node-llama-cpp";
import type { ChatMessage } from "../core/inference.ts";
import { WorkerFailure } from "./workerFailure.ts";

/**
 * The day every template believes it to be. Some (Llama 3.1, 3.2, gpt-oss) write today's date into the system message;
 * a record would then render to other tokens tomorrow. This is the date Llama's own template falls back on; noon UTC
 * is that day in every time zone from -12 to +11.
 */
const TEMPLATE_DATE = new Date("2024-07-26T12:00:00Z");

/** Defined in front of a template that asks for the time: the same day in Llama's format, whatever format was asked for. */
const TEMPLATE_CLOCK = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro %}";

/**
 * How this model wants its chats. Chosen by the file's content only: the binding would also look at the file's name,
 * and two people may call the same bytes differently.
 */
export function chatWrapperOf(model: LlamaModel): ChatWrapper {
  const todayDate = TEMPLATE_DATE;
  const template = model.fileInfo.metadata.tokenizer?.chat_template ?? "";
  return (
    resolveChatWrapper({
      type: "auto",
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
        ...(template.includes("strftime_now") && { jinjaTemplate: { template: TEMPLATE_CLOCK + template } }),
      },
    }) ?? new GeneralChatWrapper()
  );
}

/**
 * Messages to token ids, by the model's own template, ready for the answer to begin. Text in messages never becomes a
 * control token: `<|im_end|>` in a mail is those ten characters.
 */
export function renderPrompt(
  model: LlamaModel,
  wrapper: ChatWrapper,
  messages: readonly ChatMessage[],
): Token[] {
  if (messages.at(-1)?.role !== "user")
    throw new WorkerFailure("request", "the last message is not the user's");
  const history: ChatHistoryItem[] = messages.map(({ role, content }) => {
    if (role === "assistant") return { type: "model", response: [content] };
    return { type: role, text: content };
  });
  // An empty answer at the end asks for the place where the answer starts.
  history.push({ type: "model", response: [] });
  const { contextText } = wrapper.generateContextState({ chatHistory: history });
  return contextText.tokenize(model.tokenizer);
}
