import { setTimeout as sleep } from "node:timers/promises";

import type { Inference, InferenceEngine, Prompt, Sampling } from "../core/inference.ts";
import { nameOf } from "./breakage.ts";
import { InvalidRequestError } from "./errors.ts";
import { percentile } from "./percentile.ts";

export type HedgeOptions = {
  /** Answers of the first server that have to be seen before any is called late. 20 when not given. */
  readonly minSamples?: number;
  /** Most calls that may be hedged, of a thousand: a first server that slows down as a whole is not helped by asking twice. 100. */
  readonly mostPermille?: number;
};

/** Latencies that are remembered; older ones make room. */
const REMEMBERED = 200;

/**
 * Two servers, the second asked only when the first is later than 95 of 100 of its answers were. The first answer that comes is the
 * answer, the other request is aborted, and the record says so. `second` may be the first one again.
 *
 * Servers only: two requests to one worker of our own would stand in one queue.
 *
 * @throws InvalidRequestError when one of them is no server
 */
export function hedge(
  first: InferenceEngine,
  second: InferenceEngine,
  { minSamples = 20, mostPermille = 100 }: HedgeOptions = {},
): InferenceEngine {
  if (first.mode !== "remote" || second.mode !== "remote")
    throw new InvalidRequestError("only servers can be asked twice");
  if (!Number.isSafeInteger(minSamples) || minSamples < 1 || minSamples > REMEMBERED)
    throw new InvalidRequestError(`minSamples is not 1 to ${REMEMBERED}`, { minSamples });
  if (!Number.isSafeInteger(mostPermille) || mostPermille < 0 || mostPermille > 1000)
    throw new InvalidRequestError("mostPermille is not 0 to 1000", { mostPermille });
  const latencies: number[] = [];
  let calls = 0;
  let hedged = 0;

  function saw(ms: number): void {
    latencies.push(ms);
    if (latencies.length > REMEMBERED) latencies.shift();
  }

  /** When the second one is asked; undefined: not at all. */
  const patienceMs = (): number | undefined =>
    latencies.length >= minSamples && (hedged + 1) * 1000 <= calls * mostPermille
      ? percentile(latencies, 95)
      : undefined;

  async function infer(
    prompt: Prompt,
    sampling: Sampling,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Inference> {
    calls++;
    const started = performance.now();
    const elapsed = () => performance.now() - started;
    const ask = (engine: InferenceEngine) => {
      const stop = new AbortController();
      const any = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]);
      const answer = engine.infer(prompt, sampling, { signal: any });
      // Whoever loses is waited for by nobody.
      answer.catch(() => undefined);
      return { answer, stop: () => stop.abort() };
    };
    const one = ask(first);
    const afterMs = patienceMs();
    const timely = afterMs === undefined ? await one.answer : await soonEnough(one.answer, afterMs);
    if (timely) {
      saw(elapsed());
      return timely;
    }
    hedged++;
    const askedAt = Math.round(elapsed());
    const two = ask(second);
    const race = { first: one, second: two } as const;
    const broken: { first?: unknown; second?: unknown } = {};
    const contenders = (["first", "second"] as const).map(async (winner) => {
      try {
        return { winner, inference: await race[winner].answer };
      } catch (error) {
        broken[winner] = error;
        throw error;
      }
    });
    let won: Awaited<(typeof contenders)[number]>;
    try {
      // Settles once: whatever the other one still says, the winner stays.
      won = await Promise.any(contenders);
    } catch {
      throw broken.first;
    }
    // Of a first one that lost it is known that it took at least so long.
    saw(elapsed());
    const loser = won.winner === "first" ? "second" : "first";
    race[loser].stop();
    return Object.freeze({
      ...won.inference,
      hedge: Object.freeze({
        afterMs: askedAt,
        winner: won.winner,
        loser: loser in broken ? nameOf(broken[loser]) : "aborted",
      }),
    });
  }

  return Object.freeze({
    mode: first.mode,
    model: first.model,
    runtime: first.runtime,
    settings: first.settings,
    infer,
    measure: first.measure,
    reExecute: first.reExecute,
    reCheck: first.reCheck,
    async close() {
      await first.close();
      if (second !== first) await second.close();
    },
  });
}

/** The answer if it comes in time, undefined if it does not; an error at once. */
async function soonEnough(answer: Promise<Inference>, ms: number): Promise<Inference | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      answer,
      sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
  } finally {
    timer.abort();
  }
}
