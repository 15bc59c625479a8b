import { BaseError } from "../../core/errors.ts";
import type { RequestOutcome } from "../../core/walletLink.ts";

/** Somebody said no, or nobody said anything, or what was said is not what was asked: nothing is delegated by that. */
export class DelegationError extends BaseError {
  override readonly name = "DelegationError";
}

/** What a wallet answered. Where nobody knows, nothing is made of it: what is signed late is brought by nobody. */
export function answerOf<Answer>(outcome: RequestOutcome<Answer>, what: string): Answer {
  if (outcome.outcome === "approved") return outcome.answer;
  if (outcome.outcome === "hostile")
    throw hostile(`The wallet answered with something else: ${outcome.why}.`);
  throw new DelegationError(
    outcome.outcome === "rejected"
      ? `The wallet declined to ${what}.`
      : `Nobody knows whether the wallet will ${what}: ${outcome.outcome === "lost" ? outcome.why : "it did not answer in time"}.`,
    { remedy: "Nothing new is delegated. Start again; what is signed later is brought by nobody." },
  );
}

export const hostile = (words: string): DelegationError =>
  new DelegationError(words, { remedy: "Nothing new is delegated. Don't trust that wallet." });

/**
 * Waits no longer than whoever waits wants to. What the wallet signs after that is heard by nobody.
 *
 * @throws DelegationError when it was stopped · whatever the work throws
 */
export async function unlessStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void =>
    stopped.reject(new DelegationError("It was stopped.", { remedy: "Nothing more is done. Start again." }));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([stopped.promise, work]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** How long a wallet may show a request, in seconds. */
export const expirySeconds = 300;
