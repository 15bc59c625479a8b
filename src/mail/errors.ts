import { BaseError } from "../core/errors.ts";

/** A mail larger than the operator's limit. It is refused by its size, before anything parses it. */
export class MailTooLargeError extends BaseError {
  override readonly name = "MailTooLargeError";

  constructor(facts: { readonly sizeBytes: number; readonly maxBytes: number; readonly path?: string }) {
    super(`The mail is ${facts.sizeBytes} bytes long; at most ${facts.maxBytes} are read.`, {
      remedy:
        'Ask the sender for a mail without large attachments, or raise "maxBytes" in the mail settings.',
      facts,
    });
  }
}

/** Bytes that are not a mail: empty, no header, no sender, or built to exhaust a parser. */
export class MailUnreadableError extends BaseError {
  override readonly name = "MailUnreadableError";

  constructor(
    why: string,
    options: { readonly facts?: Readonly<Record<string, string | number>>; readonly cause?: unknown } = {},
  ) {
    super(`The mail can't be read: ${why}.`, {
      remedy: "Save it again from the mail program as RFC 822 text (.eml), or move it out of the folder.",
      ...options,
    });
  }
}

/** A file of the mail folder that can't be taken for a mail: a link, a device, no permission. */
export class MailFileError extends BaseError {
  override readonly name = "MailFileError";

  constructor(
    why: string,
    options: { readonly path: string; readonly remedy: string; readonly cause?: unknown },
  ) {
    super(`The mail file can't be used: ${why}.`, {
      remedy: options.remedy,
      facts: { path: options.path },
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
  }
}

/** Mail settings with a mistake in them; `issues` has one line for each. */
export class MailSettingsError extends BaseError {
  override readonly name = "MailSettingsError";

  constructor(issues: readonly string[]) {
    super(`The mail settings are wrong: ${issues.join("; ")}.`, {
      remedy:
        "Correct them as docs/mail.md describes; unknown fields are refused so that a typo can't weaken them.",
    });
  }
}
