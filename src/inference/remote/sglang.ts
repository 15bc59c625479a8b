import { aboutServer, openBody, readCompletion } from "./chatCompletions.ts";
import { byGrammar, type Question, type RemoteProfile } from "./profile.ts";

/**
 * SGLang. Fields: python/sglang/srt/entrypoints/openai/protocol.py (commit 004c82e0): `ebnf` beside `regex`, `seed` becomes
 * `sampling_seed` (heeded under `--enable-deterministic-inference`). Token ids come only with an answer in one piece
 * (`ChatCompletionResponseStreamChoice` has none), so that is what is asked for.
 */
export const sglang: RemoteProfile = {
  name: "sglang",
  framing: "document",
  constraint: byGrammar,
  about: (ask, model) => aboutServer(ask, model, "SGLang", "/server_info"),
  prepare: (question) => Promise.resolve({ path: "/v1/chat/completions", body: bodyOf(question) }),
  read: readCompletion,
  isTooLong: (said) => /longer than the model's context|context length|exceeds the maximum/i.test(said),
};

const bodyOf = (question: Question): object => ({
  ...openBody(question),
  ...(question.prompt.grammar === null ? {} : { ebnf: question.prompt.grammar }),
  return_prompt_token_ids: true,
  stream: false,
});
