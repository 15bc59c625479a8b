import * as z from "zod";

import { bySchema, schemaOf, type Piece, type Question, type RemoteProfile } from "./profile.ts";

/**
 * Ollama's own API (its /v1 can neither set the context nor forbid truncation). Fields: docs/openapi.yaml of ollama/ollama
 * (commit 017eb8ae) and api/types.go: `format` is a JSON Schema, there is no grammar; `truncate` and `shift`, which are in no
 * document, keep it from cutting a prompt short without a word. No token ids. Durations are in nanoseconds.
 */
export const ollama: RemoteProfile = {
  name: "ollama",
  framing: "ndjson",
  constraint: bySchema,
  async about(ask, model) {
    const { version } = z.object({ version: z.string().max(64) }).parse(await ask.get("/api/version"));
    const { models } = tags.parse(await ask.get("/api/tags"));
    const found = models.find(({ name }) => name === model || name === `${model}:latest`);
    return {
      server: `Ollama ${version}`,
      ...(found ? { digest: found.digest } : { listed: "no" }),
      ...(found?.details?.quantization_level ? { quantization: found.details.quantization_level } : {}),
      ...(found?.details?.parameter_size ? { parameters: found.details.parameter_size } : {}),
    };
  },
  prepare: (question) => Promise.resolve({ path: "/api/chat", body: bodyOf(question) }),
  read(document): Piece {
    const answer = reply.parse(document);
    if (answer.error !== undefined && answer.error !== null) return { stop: "an error" };
    const { done_reason, eval_count, logprobs, message, model, prompt_eval_count } = answer;
    return {
      ...(message?.content ? { text: message.content } : {}),
      ...(logprobs && logprobs.length > 0 ? { logprobs: logprobs.map(({ logprob }) => logprob) } : {}),
      ...(model ? { model } : {}),
      ...(answer.done === true
        ? {
            stop: ({ stop: "end", length: "maxTokens" } as const)[done_reason ?? ""] ?? done_reason ?? "none",
          }
        : {}),
      ...(answer.done === true
        ? {
            usage: {
              ...(typeof prompt_eval_count === "number" ? { promptTokens: prompt_eval_count } : {}),
              ...(typeof eval_count === "number" ? { outputTokens: eval_count } : {}),
            },
          }
        : {}),
    };
  },
  isTooLong: (said) => /exceeds? (the )?(available )?context|context length|input length/i.test(said),
};

const tags = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string().max(128),
      details: z
        .object({ quantization_level: z.string().nullish(), parameter_size: z.string().nullish() })
        .nullish(),
    }),
  ),
});

const count = z.int().min(0).nullish();
const reply = z.object({
  model: z.string().nullish(),
  message: z.object({ content: z.string().nullish() }).nullish(),
  done: z.boolean().nullish(),
  done_reason: z.string().max(40).nullish(),
  prompt_eval_count: count,
  eval_count: count,
  logprobs: z.array(z.object({ logprob: z.number() })).nullish(),
  error: z.unknown().optional(),
});

function bodyOf(question: Question): object {
  const { maxTokens, messages } = question.prompt;
  const { sampling } = question;
  const schema = schemaOf(question.prompt);
  return {
    model: question.model,
    messages,
    ...(schema === undefined ? {} : { format: schema }),
    options: {
      num_predict: maxTokens,
      ...(question.contextSize === undefined ? {} : { num_ctx: question.contextSize }),
      // Without them the Modelfile decides.
      repeat_penalty: 1,
      min_p: 0,
      ...(sampling.kind === "greedy"
        ? { temperature: 0, top_k: 1 }
        : {
            temperature: sampling.temperatureMilli / 1000,
            top_k: sampling.topK,
            top_p: sampling.topPMilli / 1000,
            seed: sampling.seed,
          }),
    },
    // On when nothing is said and the model can (server/routes.go); refused only where it is asked for and the model can't.
    ...(question.thinking === "off" ? { think: false } : {}),
    truncate: false,
    shift: false,
    ...(question.logprobs ? { logprobs: true } : {}),
    stream: true,
  };
}
