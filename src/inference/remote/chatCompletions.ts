import * as z from "zod";

import type { Ask } from "./ask.ts";
import { thinkingFields, type Claims, type Piece, type Question } from "./profile.ts";

// What vLLM, SGLang and OpenAI have in common: POST /v1/chat/completions and GET /v1/models.

const count = z.int().min(0);
const usage = z
  .object({
    prompt_tokens: count.nullish(),
    completion_tokens: count.nullish(),
    prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
  })
  .nullish();
/** Token ids: int32 in all of these engines. */
const ids = z.array(count.max(0x7fff_ffff)).nullish();
const logprobs = z.object({ content: z.array(z.object({ logprob: z.number() })).nullish() }).nullish();
const said = z.object({ content: z.string().nullish() });

/** A whole answer (`message`) or a piece of a streamed one (`delta`). Unknown fields are passed over: servers add some every month. */
const completion = z.object({
  model: z.string().nullish(),
  system_fingerprint: z.string().nullish(),
  prompt_token_ids: ids,
  choices: z.array(
    z.object({
      delta: said.nullish(),
      message: said.nullish(),
      finish_reason: z.string().nullish(),
      token_ids: ids,
      prompt_token_ids: ids,
      logprobs,
    }),
  ),
  usage,
});
/** An error that came after the answer had begun. */
const failure = z.object({ error: z.unknown() });

export function readCompletion(document: unknown): Piece {
  const failed = failure.safeParse(document);
  if (failed.success && failed.data.error !== undefined && failed.data.error !== null)
    return { stop: "an error" };
  const { choices, model, prompt_token_ids, system_fingerprint, usage } = completion.parse(document);
  const [choice] = choices;
  const text = choice?.delta?.content ?? choice?.message?.content;
  const promptTokens = prompt_token_ids ?? choice?.prompt_token_ids;
  const chosen = choice?.logprobs?.content?.map(({ logprob }) => logprob);
  return {
    ...(text ? { text } : {}),
    ...(choice?.token_ids ? { tokens: choice.token_ids } : {}),
    ...(promptTokens ? { promptTokens } : {}),
    ...(chosen && chosen.length > 0 ? { logprobs: chosen } : {}),
    ...(choice?.finish_reason ? { stop: stopOf(choice.finish_reason) } : {}),
    ...(model ? { model } : {}),
    ...(system_fingerprint ? { claims: { fingerprint: system_fingerprint } } : {}),
    ...(usage
      ? {
          usage: {
            ...(typeof usage.prompt_tokens === "number" ? { promptTokens: usage.prompt_tokens } : {}),
            ...(typeof usage.completion_tokens === "number" ? { outputTokens: usage.completion_tokens } : {}),
            ...(typeof usage.prompt_tokens_details?.cached_tokens === "number"
              ? { cachedTokens: usage.prompt_tokens_details.cached_tokens }
              : {}),
          },
        }
      : {}),
  };
}

const stopOf = (reason: string): string =>
  ({ stop: "end", length: "maxTokens" })[reason] ?? reason.slice(0, 40);

/** Temperature 0 is greedy for all of them; a sampled run says each number, or the model's own settings would count. */
export function samplingFields({ sampling }: Question): object {
  if (sampling.kind === "greedy") return { temperature: 0 };
  return {
    temperature: sampling.temperatureMilli / 1000,
    top_p: sampling.topPMilli / 1000,
    seed: sampling.seed,
  };
}

/** What vLLM and SGLang are asked in the same words. */
export function openBody(question: Question): object {
  const { model, prompt, sampling } = question;
  return {
    model,
    messages: prompt.messages,
    max_tokens: prompt.maxTokens,
    ...samplingFields(question),
    ...thinkingFields(question),
    ...(sampling.kind === "sampled" ? { top_k: sampling.topK } : {}),
    // Without them the generation_config.json of the model's repository decides.
    repetition_penalty: 1,
    min_p: 0,
    return_token_ids: true,
    ...(question.logprobs ? { logprobs: true } : {}),
  };
}

/** The entry of the asked model, and which version of the server it is, where it says. */
export async function aboutServer(ask: Ask, model: string, name: string, path: string): Promise<Claims> {
  const entry = await modelEntry(ask, model);
  const version = await maybe(async () => versionSchema.parse(await ask.get(path)).version);
  return { ...entry, ...(version === undefined ? {} : { server: `${name} ${version}` }) };
}

const versionSchema = z.object({ version: z.string().max(64) });

/** The entry of the asked model in GET /v1/models, which tells whether anybody is there and knows the name. */
export async function modelEntry(ask: Ask, model: string): Promise<Claims> {
  const { data } = z
    .object({
      data: z.array(z.object({ id: z.string(), max_model_len: count.nullish(), root: z.string().nullish() })),
    })
    .parse(await ask.get("/v1/models"));
  const entry = data.find(({ id }) => id === model);
  return {
    ...(entry?.max_model_len ? { context: String(entry.max_model_len) } : {}),
    ...(entry?.root && entry.root !== model ? { root: entry.root } : {}),
    ...(entry ? {} : { listed: "no" }),
  };
}

/** An extra question that only some versions answer. */
async function maybe<T>(question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question();
  } catch {
    return undefined;
  }
}
