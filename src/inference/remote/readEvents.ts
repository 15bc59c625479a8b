import { RemoteAnswerError } from "./errors.ts";

/** How a server writes an answer: server-sent events, one JSON document a line, or one document. */
export type Framing = "sse" | "ndjson" | "document";

/** Longest single event, in UTF-16 units. llama-server repeats the grammar in its last one. */
const MOST_EVENT = 4 << 20;
/** Most bytes of a whole answer: a base for what is repeated, and a share for each token that may be written. */
const BASE_BYTES = 8 << 20;
const TOKEN_BYTES = 8 << 10;

export const mostBytes = (maxTokens: number): number => BASE_BYTES + maxTokens * TOKEN_BYTES;

/**
 * The JSON documents of an answer, as they come.
 *
 * @throws RemoteAnswerError for what is no JSON, and at `limit` bytes
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  framing: Framing,
  limit: number,
): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  let rest = "";
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > limit) throw new RemoteAnswerError("it is too long", { limitBytes: limit });
    rest += decode(decoder, chunk);
    if (framing !== "document") {
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield* eventOf(line, framing);
    }
    if (framing !== "document" && rest.length > MOST_EVENT)
      throw new RemoteAnswerError("one piece of it is too long", { limitCharacters: MOST_EVENT });
  }
  rest += decode(decoder, undefined);
  if (framing === "document") yield parse(rest);
  else yield* eventOf(rest, framing);
}

function* eventOf(line: string, framing: Framing): Generator<unknown, void, undefined> {
  const text = line.trim();
  if (framing === "ndjson") {
    if (text !== "") yield parse(text);
    return;
  }
  // `data:` in one line is how all of these servers write; comments (`:`), `event:` and `id:` say nothing that is needed.
  if (text.startsWith("error:")) yield { error: parse(text.slice(6)) };
  if (!text.startsWith("data:")) return;
  const data = text.slice(5).trim();
  if (data !== "" && data !== "[DONE]") yield parse(data);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RemoteAnswerError("it is not JSON", { begins: text.slice(0, 60).replaceAll(/\p{C}+/gu, " ") });
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array | undefined): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch {
    throw new RemoteAnswerError("it is not UTF-8");
  }
}
