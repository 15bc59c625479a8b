import { BaseError } from "../../core/errors.ts";

type Facts = Readonly<Record<string, string | number | undefined>>;

/** It is not understood, or not allowed, where the server is said to be or how to log in there. Nothing was sent. */
export class RemoteAddressError extends BaseError {
  override readonly name = "RemoteAddressError";
  constructor(why: string, remedy: string, facts: Facts = {}) {
    super(`The model's server can't be asked: ${why}.`, { remedy, facts });
  }
}

/** No answer: nobody listens there, or the connection broke. */
export class RemoteUnreachableError extends BaseError {
  override readonly name = "RemoteUnreachableError";
  constructor(url: string, reason: string, cause?: unknown) {
    super("The model's server does not answer.", {
      remedy: "Check that it runs and that its address is right; then try again.",
      facts: { url, reason },
      retry: "safe",
      cause,
    });
  }
}

/** The server understood and said no: a wrong name, a missing login, a field it does not take. Asking again changes nothing. */
export class RemoteRefusedError extends BaseError {
  override readonly name = "RemoteRefusedError";
  constructor(status: number, said: string, facts: Facts) {
    super(`The model's server refuses the request (HTTP ${status}).`, {
      remedy:
        status === 401 || status === 403
          ? "Check the key in the apiKeyFile."
          : "Check the model's name and the profile in the configuration against what the server says.",
      facts: { ...facts, said: said || undefined },
    });
  }
}

/** The server is busy or broken (HTTP 5xx, 408, 429), and says so. */
export class RemoteFailedError extends BaseError {
  override readonly name = "RemoteFailedError";
  constructor(status: number, said: string, facts: Facts) {
    super(`The model's server failed (HTTP ${status}).`, {
      remedy: "Try again; if it stays so, look into the server's log.",
      facts: { ...facts, said: said || undefined },
      retry: "safe",
    });
  }
}

/** What came back is no answer: not the dialect, too much, cut off, or numbers that contradict each other. It was thrown away. */
export class RemoteAnswerError extends BaseError {
  override readonly name = "RemoteAnswerError";
  constructor(why: string, facts: Facts = {}) {
    super(`The answer of the model's server can't be used: ${why}.`, {
      remedy: "Check that the profile in the configuration is the server's; then try again.",
      facts,
      retry: "safe",
    });
  }
}
