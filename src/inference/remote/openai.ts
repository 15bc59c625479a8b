import type { Prompt } from "../../core/inference.ts";
import { modelEntry, readCompletion, samplingFields } from "./chatCompletions.ts";
import { bySchema, schemaOf, type Question, type RemoteProfile } from "./profile.ts";

/**
 * OpenAI's API, and whatever copies it and nothing more. Fields: platform.openai.com/docs/api-reference/chat/create. It takes no
 * grammar; with `strict` it holds the model to a JSON Schema, whose top must be an object and no `anyOf`
 * (platform.openai.com/docs/guides/structured-outputs, "supported schemas").
 */
export const openai: RemoteProfile = {
  name: "openai",
  framing: "sse",
  constraint(prompt) {
    const constraint = bySchema(prompt);
    return constraint.kind !== "schema" || isStrict(prompt)
      ? constraint
      : {
          kind: "not enforced",
          why: "strict schemas must not be a choice at the top; it was sent as a wish",
        };
  },
  about: (ask, model) => modelEntry(ask, model),
  prepare: (question) => Promise.resolve({ path: "/v1/chat/completions", body: bodyOf(question) }),
  read: readCompletion,
  isTooLong: (said) => /context_length_exceeded|maximum context length/i.test(said),
};

const isStrict = (prompt: Prompt): boolean => schemaOf(prompt)?.["type"] === "object";

function bodyOf(question: Question): object {
  const { maxTokens, messages } = question.prompt;
  const schema = schemaOf(question.prompt);
  return {
    model: question.model,
    messages,
    max_completion_tokens: maxTokens,
    ...samplingFields(question),
    ...(schema === undefined
      ? {}
      : {
          response_format: {
            type: "json_schema",
            json_schema: { name: "action", strict: isStrict(question.prompt), schema },
          },
        }),
    ...(question.logprobs ? { logprobs: true } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}
