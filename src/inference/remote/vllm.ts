import { aboutServer, openBody, readCompletion } from "./chatCompletions.ts";
import { byGrammar, type Claims, type Question, type RemoteProfile } from "./profile.ts";

/**
 * vLLM's OpenAI-compatible server. Fields: vllm/entrypoints/openai/chat_completion/protocol.py (commit 002032ee) and
 * docs.vllm.ai/en/latest/features/structured_outputs: `structured_outputs.grammar` takes GBNF (xgrammar); before 0.11 it was
 * `guided_grammar`, gone since 0.12. `return_token_ids` since 0.10.2; older ones pass over what they do not know.
 * Models with Mistral's own tokenizer refuse `chat_template_kwargs` (seen in linagora/openrag, pull request 335).
 */
export const vllm: RemoteProfile = {
  name: "vllm",
  framing: "sse",
  constraint: byGrammar,
  about: (ask, model) => aboutServer(ask, model, "vLLM", "/version"),
  prepare: (question, _ask, claims) =>
    Promise.resolve({ path: "/v1/chat/completions", body: bodyOf(question, claims) }),
  read: readCompletion,
  isTooLong: (said) =>
    /maximum context length|max_model_len|longer than the maximum model length/i.test(said),
};

function bodyOf(question: Question, claims: Claims): object {
  const { grammar } = question.prompt;
  return {
    ...openBody(question),
    ...(grammar === null
      ? {}
      : isBefore011(claims["server"])
        ? { guided_grammar: grammar }
        : { structured_outputs: { grammar } }),
    ...(question.logprobs ? { top_logprobs: 0 } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function isBefore011(server: string | undefined): boolean {
  const [, major, minor] = /^vLLM (\d+)\.(\d+)/.exec(server ?? "") ?? [];
  return major === "0" && Number(minor) < 11;
}
