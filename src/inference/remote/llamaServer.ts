import * as z from "zod";

import type { Ask } from "./ask.ts";
import { RemoteAnswerError } from "./errors.ts";
import { byGrammar, thinkingFields, type Piece, type Question, type RemoteProfile } from "./profile.ts";

/**
 * llama-server of llama.cpp, its own API: POST /apply-template, /tokenize and /completion, GET /props. Fields:
 * tools/server/README.md and server-context.cpp of release v0.5.0, and a server built from it. It takes GBNF and token ids as they
 * are, so what a local engine records can be recorded here too.
 */
export const llamaServer: RemoteProfile = {
  name: "llama-server",
  framing: "sse",
  constraint: byGrammar,
  async about(ask, model) {
    const { build_info, default_generation_settings, model_ftype, model_path } = props.parse(
      await ask.get(`/props?model=${encodeURIComponent(model)}`),
    );
    return {
      server: `llama-server ${build_info ?? "of unknown build"}`,
      ...(model_path ? { file: model_path.split(/[\\/]/).at(-1) ?? "" } : {}),
      ...(model_ftype ? { quantization: model_ftype } : {}),
      ...(default_generation_settings?.n_ctx ? { context: String(default_generation_settings.n_ctx) } : {}),
    };
  },
  async prepare(question, ask) {
    const promptTokens = await render(question, ask);
    return { path: "/completion", body: bodyOf(question, promptTokens), promptTokens };
  },
  read(document): Piece {
    const answer = reply.parse(document);
    if (answer.error !== undefined && answer.error !== null) return { stop: "an error" };
    const { completion_probabilities, content, model, stop, stop_type, timings, tokens } = answer;
    return {
      ...(content ? { text: content } : {}),
      ...(tokens && tokens.length > 0 ? { tokens } : {}),
      ...(completion_probabilities && completion_probabilities.length > 0
        ? { logprobs: completion_probabilities.map(({ logprob }) => logprob) }
        : {}),
      ...(model ? { model } : {}),
      ...(stop === true && stop_type === "eos" ? { lastIsEnd: true } : {}),
      ...(stop === true
        ? { stop: ({ eos: "end", limit: "maxTokens" } as const)[stop_type ?? ""] ?? stop_type ?? "none" }
        : {}),
      ...(stop === true && timings
        ? {
            usage: {
              promptTokens: timings.cache_n + timings.prompt_n,
              cachedTokens: timings.cache_n,
              outputTokens: timings.predicted_n,
            },
          }
        : {}),
    };
  },
  isTooLong: (said) => said.startsWith("exceed_context_size_error"),
};

const count = z.int().min(0);
/** llama.cpp's token ids are int32. */
const id = count.max(0x7fff_ffff);
const props = z.object({
  build_info: z.string().max(128).nullish(),
  model_path: z.string().max(4096).nullish(),
  model_ftype: z.string().max(64).nullish(),
  default_generation_settings: z.object({ n_ctx: count.nullish() }).nullish(),
});
const reply = z.object({
  content: z.string().nullish(),
  tokens: z.array(id).nullish(),
  model: z.string().nullish(),
  stop: z.boolean().nullish(),
  stop_type: z.string().max(40).nullish(),
  completion_probabilities: z.array(z.object({ logprob: z.number() })).nullish(),
  timings: z.object({ cache_n: count, prompt_n: count, predicted_n: count }).nullish(),
  error: z.unknown().optional(),
});

function bodyOf(question: Question, prompt: readonly number[]): object {
  const { grammar, maxTokens } = question.prompt;
  const { sampling } = question;
  return {
    // Only a router of several models looks at it.
    model: question.model,
    prompt,
    n_predict: maxTokens,
    ...(grammar === null ? {} : { grammar }),
    // Nothing but what is named: the server's own defaults have min-p and more in them.
    ...(sampling.kind === "greedy"
      ? { samplers: ["top_k"], top_k: 1, temperature: 0 }
      : {
          samplers: ["top_k", "top_p", "temperature"],
          top_k: sampling.topK,
          top_p: sampling.topPMilli / 1000,
          temperature: sampling.temperatureMilli / 1000,
          seed: sampling.seed,
        }),
    repeat_penalty: 1,
    return_tokens: true,
    ...(question.logprobs ? { n_probs: 1 } : {}),
    stream: true,
  };
}

/** Stands where a message's text will be while the template is rendered around it. */
const placeholder = (index: number): string => `bursar text ${index} here`;

/**
 * Messages to token ids, by the server's own template. Text in messages never becomes a control token: a message in which the server
 * would read one is spelled out piece by piece.
 */
async function render(question: Question, ask: Ask): Promise<readonly number[]> {
  const { model } = question;
  const { messages } = question.prompt;
  const tokenize = async (content: string, special: boolean, first = false) =>
    z
      .object({ tokens: z.array(id) })
      .parse(await ask.post("/tokenize", { model, content, add_special: first, parse_special: special }))
      .tokens;
  const template = async (contents: readonly string[]) =>
    z.object({ prompt: z.string() }).parse(
      await ask.post("/apply-template", {
        model,
        ...thinkingFields(question),
        messages: messages.map(({ role }, index) => ({ role, content: contents[index] })),
      }),
    ).prompt;
  const texts = messages.map(({ content }) => content);
  const controls = await Promise.all(
    texts.map(async (text) => {
      const [read, plain] = await Promise.all([tokenize(text, true), tokenize(text, false)]);
      return read.length !== plain.length || read.some((token, at) => token !== plain[at]);
    }),
  );
  if (!controls.includes(true)) return tokenize(await template(texts), true, true);

  let rest = await template(texts.map((_, index) => placeholder(index)));
  const pieces: { readonly text: string; readonly special: boolean }[] = [];
  for (const [index, text] of texts.entries()) {
    const [before, after, more] = rest.split(placeholder(index));
    if (before === undefined || after === undefined || more !== undefined)
      throw new RemoteAnswerError(
        "its template does not show each message once, so control tokens can't be kept out of the messages",
      );
    pieces.push({ text: before, special: true }, { text, special: false });
    rest = after;
  }
  pieces.push({ text: rest, special: true });
  const tokens = await Promise.all(
    pieces.map(({ special, text }, index) => tokenize(text, special, index === 0)),
  );
  return tokens.flat();
}
