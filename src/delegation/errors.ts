import { BaseError } from "../core/errors.ts";

/** The process of the link did not come up. */
export class LinkStartError extends BaseError {
  override readonly name = "LinkStartError";
  constructor(how: string) {
    super(`The link to wallets did not start (${how}).`, {
      remedy:
        "Try again; when it stays like this, look whether @walletconnect/sign-client is installed as locked.",
      retry: "safe",
    });
  }
}

/** The relay did not take a proposal in time. Nobody can have seen it. */
export class RelayUnreachableError extends BaseError {
  override readonly name = "RelayUnreachableError";
  constructor(relayUrl: string, why: string) {
    super("The relay did not take the proposal.", {
      remedy: "Check the relay's address and the network, and that the project id is one that it knows.",
      facts: { relay: relayUrl, why },
      retry: "safe",
    });
  }
}

/** More is under way than a person can answer. */
export class LinkBusyError extends BaseError {
  override readonly name = "LinkBusyError";
  constructor(what: string, limit: number) {
    super(`Too many ${what} are open.`, {
      remedy: "Wait for one of them, or cancel it.",
      facts: { limit },
      retry: "safe",
    });
  }
}

/** The request cannot be made like this. Nothing was sent. */
export class LinkRequestError extends BaseError {
  override readonly name = "LinkRequestError";
  constructor(why: string, facts: Readonly<Record<string, string | number>> = {}) {
    super(`The wallet can't be asked like this: ${why}.`, {
      remedy: "Ask for what the session allows, under an id of its own.",
      facts,
    });
  }
}

/** The link was closed. */
export class LinkClosedError extends BaseError {
  override readonly name = "LinkClosedError";
  constructor() {
    super("The link to wallets is closed.", { remedy: "Open a new one." });
  }
}
