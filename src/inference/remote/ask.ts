import { readEvents, mostBytes, type Framing } from "./readEvents.ts";
import type { RemoteAddress } from "./address.ts";
import {
  RemoteAnswerError,
  RemoteFailedError,
  RemoteRefusedError,
  RemoteUnreachableError,
} from "./errors.ts";

/** Small questions around an inference: what the server is, how it renders a prompt. */
export type Ask = {
  readonly get: (path: string) => Promise<unknown>;
  readonly post: (path: string, body: object) => Promise<unknown>;
};

/** What a server said instead of an answer. */
export type Refusal = { readonly status: number; readonly said: string };

/** Most bytes of a refusal that are read. */
const MOST_REFUSAL = 64 << 10;

/**
 * Sends one request and hands out the documents of its answer as they come. Redirects are refused: whoever is sent elsewhere takes
 * the key along.
 *
 * @throws RemoteUnreachableError · RemoteRefusedError · RemoteFailedError · RemoteAnswerError, and what the signal was aborted with
 */
export async function* send(
  address: RemoteAddress,
  request: {
    readonly method: "GET" | "POST";
    readonly path: string;
    readonly body?: object;
    readonly framing: Framing;
    readonly maxTokens: number;
  },
  signal: AbortSignal,
  onRefusal: (refusal: Refusal) => void = () => undefined,
): AsyncGenerator<unknown, void, undefined> {
  const url = `${address.root}${request.path}`;
  try {
    const response = await fetch(url, {
      method: request.method,
      headers: {
        "user-agent": "bursar",
        accept: "application/json, text/event-stream",
        // A small compressed answer can be a very large one.
        "accept-encoding": "identity",
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
        ...address.headers,
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      redirect: "manual",
      signal,
    });
    if (!response.ok) {
      const refusal = await readRefusal(response, address);
      onRefusal(refusal);
      throw errorOf(refusal, url);
    }
    if (response.headers.get("content-encoding") !== null)
      throw new RemoteAnswerError("it is compressed, which was not asked for", { url });
    if (response.body === null) throw new RemoteAnswerError("it is empty", { url });
    yield* readEvents(response.body, request.framing, mostBytes(request.maxTokens));
  } catch (error) {
    if (signal.aborted || !(error instanceof TypeError)) throw error;
    // fetch throws a TypeError for all that goes wrong on the way; its cause says what.
    const cause = error.cause instanceof Error ? error.cause : error;
    throw new RemoteUnreachableError(
      url,
      "code" in cause ? String(cause.code) : address.clean(cause.message),
      error,
    );
  }
}

/** The small questions, bound to one signal. */
export function asker(address: RemoteAddress, signal: AbortSignal): Ask {
  const one = async (method: "GET" | "POST", path: string, body?: object) => {
    let answer: unknown;
    const request = { method, path, framing: "document", maxTokens: 0, ...(body ? { body } : {}) } as const;
    for await (const document of send(address, request, signal)) answer = document;
    return answer;
  };
  return { get: (path) => one("GET", path), post: (path, body) => one("POST", path, body) };
}

function errorOf({ said, status }: Refusal, url: string): Error {
  if (status >= 300 && status < 400)
    return new RemoteAnswerError("it sends on to another place, which is not followed", { url, status });
  if (status >= 500 || status === 429 || status === 408) return new RemoteFailedError(status, said, { url });
  return new RemoteRefusedError(status, said, { url });
}

/** The sentence in a refusal: `{error: {message}}`, `{message}`, `{error}`, or the text itself. */
async function readRefusal(response: Response, address: RemoteAddress): Promise<Refusal> {
  let text = "";
  try {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > MOST_REFUSAL) break;
    }
  } catch {
    // What it said is gone; that it refused is known.
  }
  let said: unknown = text;
  try {
    const document = JSON.parse(text) as { error?: unknown; message?: unknown; detail?: unknown };
    const error = document.error as { message?: unknown; type?: unknown } | string | undefined;
    const words =
      typeof error === "object"
        ? [error.type, error.message]
        : [error ?? document.message ?? document.detail];
    said = words.filter((word) => typeof word === "string").join(": ") || text;
  } catch {
    // A page of some proxy.
  }
  return { status: response.status, said: address.clean(String(said)) };
}
