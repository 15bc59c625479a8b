import * as z from "zod";

import type {
  ClaimedModel,
  Inference,
  InferenceEngine,
  Prompt,
  RuntimeIdentity,
  Sampling,
} from "../../core/inference.ts";
import { REMOTE, unverifiable } from "../compareRuns.ts";
import {
  EngineClosedError,
  InferenceAbortedError,
  InferenceTimeoutError,
  InvalidRequestError,
  PromptTooLongError,
  type Phase,
} from "../errors.ts";
import { deepFreeze, parseRequest } from "../request.ts";
import { readAddress } from "./address.ts";
import { asker, send } from "./ask.ts";
import { collect } from "./collect.ts";
import { RemoteAnswerError } from "./errors.ts";
import type { Claims, Piece } from "./profile.ts";
import { profileNames, profiles, type ProfileName } from "./profiles.ts";

export type OpenRemoteOptions = {
  /** `https://host/path`; http only to this machine, or with `allowHttp`. */
  readonly url: string;
  readonly profile: ProfileName;
  /** The name by which the server knows the model. */
  readonly model: string;
  /** A file that holds the key and nothing else; sent as a bearer token, never shown or recorded. */
  readonly apiKeyFile?: string | undefined;
  /** Plain http to another machine: whoever is on the way reads and changes prompts and answers. */
  readonly allowHttp?: boolean | undefined;
  /** Context to ask for where the client says it (Ollama). */
  readonly contextSize?: number | undefined;
  /** Whether to ask for the chosen tokens' probabilities. Yes, but for `openai`, where some models refuse. */
  readonly logprobs?: boolean | undefined;
  /** off (the default) turns a reasoning model's thinking off where it can be; `as is` says nothing about it. */
  readonly thinking?: "off" | "as is" | undefined;
  /** In milliseconds: for everything of one inference, and for opening. 60,000 and 10,000 when not given. */
  readonly deadlines?: { readonly inferMs?: number | undefined; readonly openMs?: number | undefined };
  /** Not asked anything before its first inference: it may be away until then. */
  readonly unasked?: boolean | undefined;
  /** Aborts the opening. */
  readonly signal?: AbortSignal | undefined;
};

/** How long what a server says of itself is believed: it may be restarted with another model. */
const CLAIMS_MS = 60_000;

/**
 * An engine that is a server. Which model answers there nobody can check from here: its records are labelled `remote`, and every
 * verdict on them is UNVERIFIABLE.
 *
 * @throws RemoteAddressError · RemoteUnreachableError · RemoteRefusedError · RemoteFailedError · RemoteAnswerError ·
 * InferenceTimeoutError when the server can't be talked to
 */
export async function openRemoteEngine(options: OpenRemoteOptions): Promise<InferenceEngine> {
  const { inferMs = 60_000, openMs = 10_000 } = options.deadlines ?? {};
  if (!profileNames.includes(options.profile))
    throw new InvalidRequestError("there is no such profile", { known: profileNames.join(", ") });
  if (options.model === "" || options.model.length > 256)
    throw new InvalidRequestError("the model's name is not 1 to 256 characters");
  for (const [name, value] of Object.entries({ inferMs, openMs, contextSize: options.contextSize ?? 1 }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InvalidRequestError(`${name} is not a positive integer`, { [name]: value });
  const profile = profiles[options.profile];
  const address = await readAddress(options);
  const closing = new AbortController();
  const identity = deepFreeze({
    mode: "remote",
    model: { file: options.model, sha256: null } satisfies ClaimedModel,
    runtime: {
      binding: `http (${profile.name})`,
      llamaCpp: "unknown",
      backend: "remote",
      devices: [],
      libraries: [],
      platform: "unknown",
    } satisfies RuntimeIdentity,
    settings: null,
  } as const);
  let claims: { readonly value: Claims; readonly at: number } | undefined;

  /** Runs work under the caller's signal, the engine's end and a deadline, and names what ended it. */
  async function within<T>(
    deadlineMs: number,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal, setPhase: (phase: Phase) => void) => Promise<T>,
  ): Promise<T> {
    if (closing.signal.aborted) throw new EngineClosedError();
    let phase: Phase = "start";
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), deadlineMs);
    const any = AbortSignal.any([late.signal, closing.signal, ...(signal ? [signal] : [])]);
    try {
      any.throwIfAborted();
      return await work(any, (next) => (phase = next));
    } catch (error) {
      if (closing.signal.aborted) throw new EngineClosedError();
      if (signal?.aborted) {
        const reason: unknown = signal.reason;
        // `AbortSignal.timeout` is the caller's own deadline: the same error as for the engine's.
        if (reason instanceof Error && reason.name === "TimeoutError")
          throw new InferenceTimeoutError(phase, undefined, reason);
        throw new InferenceAbortedError(phase, reason);
      }
      if (late.signal.aborted) throw new InferenceTimeoutError(phase, deadlineMs);
      if (error instanceof z.ZodError)
        throw new RemoteAnswerError(`it is not in the dialect of ${profile.name}`, {
          detail: error.issues
            .slice(0, 3)
            .map(({ message, path }) => address.clean(`${path.join(".")}: ${message}`))
            .join("; "),
        });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  const cleaned = (said: Claims): Claims =>
    Object.fromEntries(Object.entries(said).map(([name, words]) => [name, address.clean(words)]));

  async function freshClaims(signal: AbortSignal): Promise<Claims> {
    if (claims && performance.now() - claims.at < CLAIMS_MS) return claims.value;
    const said = await profile.about(asker(address, signal), options.model);
    claims = { value: cleaned(said), at: performance.now() };
    return claims.value;
  }

  async function* answerTo(
    request: { readonly path: string; readonly body: object },
    prompt: Prompt,
    signal: AbortSignal,
  ): AsyncGenerator<Piece, void, undefined> {
    let tooLong: string | undefined;
    try {
      const documents = send(
        address,
        { method: "POST", ...request, framing: profile.framing, maxTokens: prompt.maxTokens },
        signal,
        ({ said, status }) => {
          if (status === 400 && profile.isTooLong(said)) tooLong = said;
        },
      );
      for await (const document of documents) yield profile.read(document);
    } catch (error) {
      if (tooLong === undefined) throw error;
      const size = Number(claims?.value["context"] ?? options.contextSize ?? 0);
      // The server counted; what it says is all that is known of the number.
      throw new PromptTooLongError(Number(/\d+/.exec(tooLong)?.[0] ?? 0), prompt.maxTokens, size);
    }
  }

  async function infer(
    prompt: Prompt,
    sampling: Sampling,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Inference> {
    const asked = parseRequest(prompt, sampling);
    if (prompt.thought !== undefined)
      throw new InvalidRequestError("a server does not let its model's thought be bounded and told apart");
    return within(inferMs, signal, async (any, setPhase) => {
      setPhase("prefill");
      const started = performance.now();
      const said = await freshClaims(any);
      const question = {
        ...asked,
        model: options.model,
        contextSize: options.contextSize,
        logprobs: options.logprobs ?? profile.name !== "openai",
        thinking: options.thinking ?? "off",
      };
      const request = await profile.prepare(question, asker(address, any), said);
      let firstAt: number | undefined;
      const answer = await collect(answerTo(request, asked.prompt, any), {
        maxTokens: asked.prompt.maxTokens,
        promptTokens: request.promptTokens,
        onText() {
          firstAt ??= performance.now();
          setPhase("generation");
        },
      });
      const ended = performance.now();
      // An answer in one piece shows no phases: all of it counts as generation.
      const first = profile.framing === "document" ? started : (firstAt ?? ended);
      return deepFreeze<Inference>({
        ...identity,
        model: { file: address.clean(answer.model ?? options.model), sha256: null },
        ...asked,
        promptTokens: answer.promptTokens ?? [],
        outputTokens: answer.tokens ?? [],
        text: answer.text,
        stopReason: answer.stopReason,
        fingerprints: { every: 32, rows: [] },
        timing: { prefillMs: Math.round(first - started), generationMs: Math.round(ended - first) },
        remote: {
          profile: profile.name,
          url: address.root,
          askedModel: options.model,
          constraint: profile.constraint(asked.prompt),
          claims: { ...said, ...cleaned(answer.claims) },
          usage: answer.usage,
          tellsTokens: {
            prompt: answer.promptTokens !== undefined,
            output: answer.tokens !== undefined,
          },
          logprobsMilli: answer.logprobsMilli,
        },
      });
    });
  }

  if (options.unasked !== true) await within(openMs, options.signal, freshClaims);
  const here = "this engine is a server: it has no model's file to check with";
  return Object.freeze({
    ...identity,
    infer,
    measure: () =>
      Promise.reject(new InvalidRequestError("a server does not say how much room a prompt would leave")),
    reExecute: (recorded: Inference) =>
      Promise.resolve(unverifiable(recorded, recorded.mode === "remote" ? REMOTE : here)),
    reCheck: (recorded: Inference) =>
      Promise.resolve(unverifiable(recorded, recorded.mode === "remote" ? REMOTE : here)),
    close() {
      closing.abort();
      return Promise.resolve();
    },
  });
}
