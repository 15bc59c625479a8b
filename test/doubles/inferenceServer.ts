import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import type { ChatMessage, Prompt, StopReason } from "../../src/core/inference.ts";

export type Dialect = "llama-server" | "vllm" | "sglang" | "ollama" | "openai";

/** What thinks behind the server. */
export type Thinker = (
  prompt: Prompt,
  signal: AbortSignal,
) => Promise<{
  readonly text: string;
  readonly outputTokens: readonly number[];
  readonly stopReason: StopReason;
}>;

export type AskedOfServer = {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
  /** The client went away before its answer was whole. */
  readonly gone: boolean;
};

/** Answers in the place of the dialect: a bad day. Returns false to answer as ever. */
export type Mishap = (path: string, response: ServerResponse) => boolean | Promise<boolean>;

export type InferenceServer = {
  readonly url: string;
  readonly asked: readonly AskedOfServer[];
  /** The requests for an answer among them. */
  readonly questions: () => readonly AskedOfServer[];
  mishap: Mishap | undefined;
  close(): Promise<void>;
};

/** Control tokens of the template that the llama-server double renders with. */
const controls = ["<|im_start|>", "<|im_end|>"];
const firstControl = 0x110000;

/**
 * A server of models on the loopback that speaks one dialect, fields and framing as in the real ones' sources (they are named in
 * `src/inference/remote/`), with something that really thinks behind it. Its token ids for prompts are code points.
 */
export async function startInferenceServer(
  dialect: Dialect,
  think: Thinker,
  options: {
    readonly model?: string;
    /** What it calls itself in answers, where that is another name than the one to ask by. */
    readonly answersAs?: string;
    readonly key?: string;
    readonly version?: string;
  } = {},
): Promise<InferenceServer> {
  const { model = "clerk", answersAs = model, key, version = "0.12.1" } = options;
  const asked: AskedOfServer[] = [];
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      response.writeHead(500, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: String(error), type: "server_error" } }));
    });
  });
  const handle: InferenceServer = {
    url: "",
    asked,
    questions: () => asked.filter(({ path }) => /completion$|completions$|\/api\/chat$/.test(path)),
    mishap: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path } = new URL(request.url ?? "/", "http://127.0.0.1");
    const raw = await text(request);
    const gone = new AbortController();
    const record = {
      path,
      headers: request.headers,
      body: (raw === "" ? {} : JSON.parse(raw)) as Record<string, unknown>,
      get gone() {
        return gone.signal.aborted;
      },
    };
    asked.push(record);
    response.on("close", () => {
      if (!response.writableFinished) gone.abort();
    });
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
      return json(response, 401, {
        error: { message: `Incorrect API key: ${request.headers.authorization}`, type: "auth" },
      });
    if (await handle.mishap?.(path, response)) return;
    await speak[dialect]({ path, body: record.body, response, signal: gone.signal });
  }

  type Call = {
    readonly path: string;
    readonly body: Record<string, unknown>;
    readonly response: ServerResponse;
    readonly signal: AbortSignal;
  };
  const limit = (body: Record<string, unknown>) =>
    Number(body["max_tokens"] ?? body["max_completion_tokens"] ?? body["n_predict"]);
  const grammarOf = (body: Record<string, unknown>): string | null => {
    const structured = body["structured_outputs"] as { grammar?: string } | undefined;
    return (body["grammar"] ?? structured?.grammar ?? body["guided_grammar"] ?? body["ebnf"] ?? null) as
      string | null;
  };
  const known = (asked: unknown, response: ServerResponse) =>
    asked === model ||
    (json(response, 404, {
      error: { message: `The model \`${String(asked)}\` does not exist.`, type: "NotFoundError" },
    }),
    false);

  async function openAi({ body, path, response, signal }: Call): Promise<void> {
    if (path === "/v1/models")
      return json(response, 200, {
        object: "list",
        data: [{ id: model, object: "model", ...(dialect === "openai" ? {} : { max_model_len: 1024 }) }],
      });
    if (path === "/version" && dialect === "vllm") return json(response, 200, { version });
    if (path === "/server_info" && dialect === "sglang") return json(response, 200, { version: "0.5.9" });
    if (path !== "/v1/chat/completions") return json(response, 404, { detail: "Not Found" });
    if (!known(body["model"], response)) return;
    const thought = await think(
      { messages: body["messages"] as ChatMessage[], grammar: grammarOf(body), maxTokens: limit(body) },
      signal,
    );
    const finish = thought.stopReason === "maxTokens" ? "length" : "stop";
    const prompt = codes((body["messages"] as ChatMessage[]).map(({ content }) => content).join("\n"));
    const usage = {
      prompt_tokens: prompt.length,
      completion_tokens: thought.outputTokens.length + (finish === "stop" ? 1 : 0),
      total_tokens: prompt.length + thought.outputTokens.length,
      prompt_tokens_details: { cached_tokens: 16 },
    };
    const head = { id: "chatcmpl-1", created: 1, model: answersAs, system_fingerprint: "fp_1" };
    const logprobs = (count: number) =>
      body["logprobs"] === true
        ? { content: Array.from({ length: count }, () => ({ token: "x", logprob: -0.25, top_logprobs: [] })) }
        : null;
    const ids = body["return_token_ids"] === true;
    if (body["stream"] !== true)
      return json(response, 200, {
        ...head,
        object: "chat.completion",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: thought.text },
            logprobs: logprobs(thought.outputTokens.length),
            finish_reason: finish,
            ...(ids ? { token_ids: thought.outputTokens } : {}),
            ...(body["return_prompt_token_ids"] === true ? { prompt_token_ids: prompt } : {}),
          },
        ],
        usage,
      });
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = (document: object) => response.write(`data: ${JSON.stringify(document)}\n\n`);
    const chunk = { ...head, object: "chat.completion.chunk" };
    event({
      ...chunk,
      choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }],
      ...(ids ? { prompt_token_ids: prompt } : {}),
    });
    for (const { piece, tokens } of pieces(thought.text, thought.outputTokens))
      event({
        ...chunk,
        choices: [
          {
            index: 0,
            delta: { content: piece },
            logprobs: logprobs(tokens.length),
            finish_reason: null,
            ...(ids ? { token_ids: tokens } : {}),
          },
        ],
      });
    event({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: finish }] });
    event({ ...chunk, choices: [], usage });
    response.end("data: [DONE]\n\n");
  }

  async function llama({ body, path, response, signal }: Call): Promise<void> {
    if (path === "/props")
      return json(response, 200, {
        build_info: "b1-double",
        model_path: "/models/clerk.gguf",
        model_ftype: "Q8_0",
        model_alias: model,
        default_generation_settings: { n_ctx: 1024 },
      });
    if (path === "/apply-template") {
      const messages = body["messages"] as ChatMessage[];
      return json(response, 200, {
        prompt: `${messages.map(({ content, role }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join("")}<|im_start|>assistant\n`,
      });
    }
    if (path === "/tokenize")
      return json(response, 200, {
        tokens:
          body["parse_special"] === false ? codes(String(body["content"])) : encode(String(body["content"])),
      });
    if (path !== "/completion")
      return json(response, 404, {
        error: { code: 404, message: "File Not Found", type: "not_found_error" },
      });
    const prompt = body["prompt"] as number[];
    const maxTokens = limit(body);
    if (prompt.length > 100_000)
      return json(response, 400, {
        error: {
          code: 400,
          message: `request (${prompt.length} tokens) exceeds the available context size (1024 tokens), try increasing it`,
          type: "exceed_context_size_error",
          n_prompt_tokens: prompt.length,
          n_ctx: 1024,
        },
      });
    const thought = await think({ messages: decode(prompt), grammar: grammarOf(body), maxTokens }, signal);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = (document: object) => response.write(`data: ${JSON.stringify(document)}\n\n`);
    for (const { piece, tokens } of pieces(thought.text, thought.outputTokens))
      event({
        index: 0,
        content: piece,
        tokens,
        stop: false,
        ...(body["n_probs"]
          ? { completion_probabilities: tokens.map((id) => ({ id, logprob: -0.25 })) }
          : {}),
      });
    // As the real one does, the end of the turn is told as a token without text.
    if (thought.stopReason !== "maxTokens")
      event({
        index: 0,
        content: "",
        tokens: [2],
        stop: false,
        ...(body["n_probs"] ? { completion_probabilities: [{ id: 2, logprob: -0.5 }] } : {}),
      });
    event({
      index: 0,
      content: "",
      tokens: [],
      stop: true,
      model: answersAs,
      stop_type: thought.stopReason === "maxTokens" ? "limit" : "eos",
      tokens_predicted: thought.outputTokens.length,
      tokens_evaluated: prompt.length,
      generation_settings: { grammar: body["grammar"] },
      timings: { cache_n: 16, prompt_n: prompt.length - 16, predicted_n: thought.outputTokens.length + 1 },
    });
    response.end();
  }

  async function ollamas({ body, path, response, signal }: Call): Promise<void> {
    if (path === "/api/version") return json(response, 200, { version: "0.14.0" });
    if (path === "/api/tags")
      return json(response, 200, {
        models: [
          {
            name: `${model}:latest`,
            digest: "ab".repeat(32),
            details: { quantization_level: "Q8_0", parameter_size: "3.0M" },
          },
        ],
      });
    if (path !== "/api/chat") return json(response, 404, "404 page not found");
    if (body["model"] !== model)
      return json(response, 404, { error: `model '${String(body["model"])}' not found` });
    const { num_predict } = body["options"] as { num_predict: number };
    const thought = await think(
      { messages: body["messages"] as ChatMessage[], grammar: null, maxTokens: num_predict },
      signal,
    );
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const line = (document: object) =>
      response.write(`${JSON.stringify({ model: answersAs, ...document })}\n`);
    for (const { piece, tokens } of pieces(thought.text, thought.outputTokens))
      line({
        message: { role: "assistant", content: piece },
        done: false,
        ...(body["logprobs"] === true
          ? { logprobs: tokens.map(() => ({ token: "x", logprob: -0.25 })) }
          : {}),
      });
    line({
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: thought.stopReason === "maxTokens" ? "length" : "stop",
      prompt_eval_count: 100,
      eval_count: thought.outputTokens.length + 1,
    });
    response.end();
  }

  const speak: Record<Dialect, (call: Call) => Promise<void>> = {
    "llama-server": llama,
    vllm: openAi,
    sglang: openAi,
    openai: openAi,
    ollama: ollamas,
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(handle, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

export function json(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

/** Text in as many pieces as there are tokens, as good as it goes. */
function* pieces(whole: string, tokens: readonly number[]) {
  const size = Math.max(1, Math.ceil(whole.length / Math.max(1, tokens.length)));
  for (let index = 0; index < Math.max(tokens.length, Math.ceil(whole.length / size)); index++)
    yield { piece: whole.slice(index * size, (index + 1) * size), tokens: tokens.slice(index, index + 1) };
}

const codes = (content: string): number[] => Array.from(content, (character) => character.codePointAt(0)!);

function encode(content: string): number[] {
  return content
    .split(/(<\|im_start\|>|<\|im_end\|>)/)
    .flatMap((part) => (controls.includes(part) ? [firstControl + controls.indexOf(part)] : codes(part)));
}

/** The messages that a prompt's ids are, control tokens as such. */
function decode(prompt: readonly number[]): ChatMessage[] {
  const messages: { role: string; content: string }[] = [];
  let current: { role: string; content: string } | undefined;
  for (const id of prompt) {
    if (id === firstControl) current = { role: "", content: "" };
    else if (id === firstControl + 1) {
      const [role = "", ...lines] = (current?.content ?? "").split("\n");
      messages.push({ role, content: lines.join("\n") });
      current = undefined;
    } else if (current) current.content += String.fromCodePoint(id);
  }
  return messages as ChatMessage[];
}
