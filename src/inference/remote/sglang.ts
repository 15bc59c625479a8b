import * as z from "zod";

import { maybe, modelEntry, readCompletion, samplingFields } from "./chatCompletions.ts";
import { byGrammar, thinkingFields, type Question, type RemoteProfile } from "./profile.ts";

/**
 * SGLang. Fields: python/sglang/srt/entrypoints/openai/protocol.py (commit 004c82e0): `ebnf` beside `regex`, `seed` becomes
 * `sampling_seed` (heeded under `--enable-deterministic-inference`). Token ids come only with an answer in one piece
 * (`ChatCompletionResponseStreamChoice` has none), so that is what is asked for.
 */
export const sglang: RemoteProfile = {
  name: "sglang",
  framing: "document",
  constraint: byGrammar,
  async about(ask, model) {
    const entry = await modelEntry(ask, model);
    const server = await maybe(async () => serverSchema.parse(await ask.get("/server_info")).version);
    return { ...entry, ...(server === undefined ? {} : { server: `SGLang ${server}` }) };
  },
  prepare: (question) => Promise.resolve({ path: "/v1/chat/completions", body: bodyOf(question) }),
  read: readCompletion,
  isTooLong: (said) => /longer than the model's context|context length|exceeds the maximum/i.test(said),
};

const serverSchema = z.object({ version: z.string().max(64) });

function bodyOf(question: Question): object {
  const { grammar, maxTokens, messages } = question.prompt;
  return {
    model: question.model,
    messages,
    max_tokens: maxTokens,
    ...samplingFields(question),
    ...thinkingFields(question),
    ...(question.sampling.kind === "sampled" ? { top_k: question.sampling.topK } : {}),
    // Without them the generation_config.json of the model's repository decides.
    repetition_penalty: 1,
    min_p: 0,
    ...(grammar === null ? {} : { ebnf: grammar }),
    return_token_ids: true,
    return_prompt_token_ids: true,
    ...(question.logprobs ? { logprobs: true } : {}),
    stream: false,
  };
}
