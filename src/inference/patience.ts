import { BaseError } from "../core/errors.ts";
import { goOn, ModelAddAbortedError, ModelDownloadError, ModelDownloadTimeoutError } from "./storeErrors.ts";

export type Limits = {
  /** For everything together. */
  readonly deadlineMs: number;
  /** Longest time without a byte. */
  readonly stallMs: number;
};

/** How long a server is waited for. */
export type Patience = {
  readonly signal: AbortSignal;
  /** A byte came. */
  readonly renew: () => void;
  readonly end: () => void;
  /** What an error means, given whose patience ended. */
  readonly explain: (error: unknown, facts: Readonly<Record<string, string | number>>) => unknown;
};

export function startPatience({ deadlineMs, stallMs }: Limits, outer: AbortSignal | undefined): Patience {
  const inner = new AbortController();
  let ended: "deadline" | "stall" | undefined;
  const stop = (why: "deadline" | "stall") => {
    ended ??= why;
    inner.abort();
  };
  const deadline = setTimeout(stop, deadlineMs, "deadline");
  const stall = setTimeout(stop, stallMs, "stall");
  return {
    signal: outer ? AbortSignal.any([outer, inner.signal]) : inner.signal,
    renew: () => void stall.refresh(),
    end() {
      clearTimeout(deadline);
      clearTimeout(stall);
    },
    explain(error, facts) {
      if (error instanceof BaseError) return error;
      if (outer?.aborted) return new ModelAddAbortedError(outer.reason, facts);
      if (ended !== undefined)
        return new ModelDownloadTimeoutError(ended, ended === "deadline" ? deadlineMs : stallMs, facts);
      if (!(error instanceof TypeError)) return error;
      // fetch throws a TypeError for all that goes wrong on the way; its cause says what.
      const cause = error.cause instanceof Error ? error.cause : error;
      const reason = "code" in cause ? String(cause.code) : cause.message;
      return new ModelDownloadError("the connection failed", goOn, { ...facts, reason }, "safe", error);
    },
  };
}
