import { ImapFlow, type FetchMessageObject } from "imapflow";

import type { TriggerSource } from "../../core/agent.ts";
import { BaseError, sentenceOf } from "../../core/errors.ts";
import type { Now } from "../../core/ports.ts";
import type { Trigger } from "../../core/trigger.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addUpTo, cursorOf } from "../../journal/triggers.ts";
import { MailTooLargeError } from "../../mail/errors.ts";
import { readMail } from "../../mail/readMail.ts";
import type { MailSettings } from "../../mail/settings.ts";
import { sleep } from "../clock.ts";
import { readText } from "../password.ts";
import { loadMailSettings } from "./loadMailSettings.ts";
import { mailTrigger } from "./mailTrigger.ts";
import type { Watcher } from "./watcher.ts";

export type MailboxSource = Extract<TriggerSource, { kind: "mailbox" }>;

/** A mailbox that can't be read: declared wrongly, or its server says no or nothing. */
export class MailboxError extends BaseError {
  override readonly name = "MailboxError";
}

export type MailboxOptions = {
  readonly agent: string;
  readonly journal: JournalDatabase;
  readonly source: MailboxSource;
  /** Absolute paths of the source's files. */
  readonly passwordFile: string;
  readonly settingsFile: string;
  readonly now: Now;
  readonly onUnusable: (mail: string, error: BaseError) => void;
  /** The server does not answer, or says no after it had said yes. It is asked again. */
  readonly onWaiting: (error: BaseError) => void;
};

/** Mails taken in by one scan. */
const mostAtOnce = 50;
/** Milliseconds until a quiet mailbox is looked at although its server announced nothing. */
const lookAgainMs = 30_000;
/** Milliseconds until a server that failed is asked again: twice as many after each failure. */
const firstPauseMs = 1000;
const longestPauseMs = 300_000;
/** Milliseconds that decisions wait for a server that has answered before. */
const patienceMs = 500;

/**
 * Wakes an agent by the mails of an IMAP mailbox (RFC 9051), in the order of their UIDs. Reads only: nothing is marked as seen, moved
 * or deleted. The first start takes what arrives from then on. A server that numbers its mailbox anew (UIDVALIDITY) is read again
 * from the time of the first start; a mail is known by the digest of its bytes, so none counts twice.
 *
 * @throws MailboxError when the declaration is wrong, or the server refuses user or folder at the first try
 */
export async function watchMailbox(options: MailboxOptions): Promise<Watcher> {
  const { source } = options;
  requireCover(source);
  const settings = await loadMailSettings(options.settingsFile);
  const password = (await readText(options.passwordFile, "mailbox password")).replace(/\r?\n$/, "");
  const place = `${source.user} at ${source.host}`;

  let client: ImapFlow | undefined;
  /** The server has announced something that was not looked at. */
  let announced = true;
  let closed = false;
  let lookedAt = -lookAgainMs;
  let failures = 0;
  let retryAt = 0;

  async function connect(): Promise<ImapFlow> {
    const fresh = new ImapFlow(settingsOf(source, settings, password));
    const lost = () => {
      if (client === fresh) client = undefined;
    };
    // Without a listener an error of the connection would end the process; what failed is told by the command that waited for it.
    fresh.on("error", lost);
    fresh.on("close", lost);
    fresh.on("exists", () => (announced = true));
    try {
      await fresh.connect();
      await fresh.mailboxOpen(source.folder ?? "INBOX", { readOnly: true });
      return fresh;
    } catch (error) {
      fresh.close();
      throw mailboxError(place, source, error);
    }
  }

  async function look(): Promise<void> {
    client ??= await connect();
    if (closed) return client.close();
    // Told while it reads: looked at again.
    announced = false;
    const more = await takeIn(options, settings, client);
    if (more) announced = true;
    lookedAt = options.now();
    failures = 0;
  }

  function failed(error: unknown): void {
    client?.close();
    client = undefined;
    announced = true;
    const known = error instanceof BaseError ? error : mailboxError(place, source, error);
    // The journal's own errors end the run; a server's don't.
    if (!(known instanceof MailboxError)) throw error;
    retryAt = options.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** failures++);
    if (!closed) options.onWaiting(known);
  }

  // What the first try shows is the declaration's fault, unless the server is just away.
  await look().catch((error: unknown) => {
    if (error instanceof BaseError && error.retry === "never") throw error;
    failed(error);
  });

  let looking: Promise<void> | undefined;
  let broken: { readonly error: unknown } | undefined;
  return {
    async scan() {
      const now = options.now();
      const due = announced || now - lookedAt >= lookAgainMs;
      if (!looking && due && now >= retryAt)
        looking = look()
          .catch(failed)
          .catch((error: unknown) => void (broken = { error }))
          .then(() => (looking = undefined));
      // Other sources don't wait for a server that hangs: what it has to say comes with a later scan.
      if (looking) await Promise.race([looking, sleep(patienceMs)]);
      if (broken) throw broken.error;
    },
    async close() {
      closed = true;
      client?.close();
      await looking;
    },
  };
}

/** Takes in, each durably with its place, what came after the last place. Returns whether there is more. */
async function takeIn(options: MailboxOptions, settings: MailSettings, client: ImapFlow): Promise<boolean> {
  const { agent, journal, source } = options;
  const mailbox = client.mailbox;
  if (!mailbox) throw new Error("No mailbox is open.");
  const name = `mailbox ${source.user} ${source.host} ${mailbox.path}`;
  const cursor = `${name} ${mailbox.uidValidity}`;
  /** The last mail that was there when the server had numbered the mailbox anew: up to it, its date says whether it is old. */
  const renumbered = `${cursor} renumbered`;
  const newest = mailbox.uidNext - 1;
  const begun = cursorOf(journal, agent, name);
  if (begun === undefined) {
    addUpTo(journal, agent, cursor, newest, []);
    addUpTo(journal, agent, name, Math.floor(options.now() / 1000), []);
  } else if (cursorOf(journal, agent, cursor) === undefined) {
    addUpTo(journal, agent, renumbered, newest, []);
    addUpTo(journal, agent, cursor, 0, []);
  }
  const isOld = (mail: FetchMessageObject): boolean =>
    mail.uid <= (cursorOf(journal, agent, renumbered) ?? 0) && arrivedAt(mail) < (begun ?? 0);
  const last = cursorOf(journal, agent, cursor) ?? 0;
  const uids = (await client.search({ uid: `${last + 1}:*` }, { uid: true })) || [];
  // `n:*` names the last mail even if its number is below n.
  const fresh = uids.filter((uid) => uid > last).toSorted((left, right) => left - right);
  const next = fresh.slice(0, mostAtOnce);
  const look = { size: true, internalDate: true } as const;
  const found = next.length === 0 ? [] : await client.fetchAll(next, look, { uid: true });
  for (const uid of next) {
    const seen = found.find((one) => one.uid === uid);
    const trigger = seen && !isOld(seen) ? await readOne(options, settings, client, cursor, seen) : undefined;
    addUpTo(journal, agent, cursor, uid, trigger ? [trigger] : []);
  }
  return fresh.length > mostAtOnce;
}

/** One mail; undefined when it is gone, or can't be used, which the audit log then says. */
async function readOne(
  { agent, journal, now, onUnusable, source }: MailboxOptions,
  settings: MailSettings,
  client: ImapFlow,
  cursor: string,
  { size: sizeBytes = 0, uid }: FetchMessageObject,
): Promise<Trigger | undefined> {
  const label = `${source.folder ?? "INBOX"} ${uid}`;
  try {
    const { maxBytes } = settings;
    // What the server says of the size is a hint; what is read is bounded.
    if (sizeBytes > maxBytes) throw new MailTooLargeError({ sizeBytes, maxBytes });
    const whole = { source: { maxLength: maxBytes + 1 } };
    const got = await client.fetchOne(String(uid), whole, { uid: true });
    if (!got || !got.source) return undefined;
    if (got.source.length > maxBytes) throw new MailTooLargeError({ sizeBytes: got.source.length, maxBytes });
    const mail = await readMail(got.source, settings, { at: Math.floor(now() / 1000) });
    return mailTrigger(label, mail, source.excerptCharacters);
  } catch (error) {
    if (!(error instanceof BaseError) || !error.name.startsWith("Mail")) throw error;
    const known = `unusable:${cursor} ${uid}`;
    const body = { file: label, error: error.name, why: error.shortMessage };
    if (noteOnce(journal, agent, known, "unusable", body)) onUnusable(label, error);
    return undefined;
  }
}

/** INTERNALDATE in unix seconds: the server's own clock, not the sender's word. */
const arrivedAt = ({ internalDate }: FetchMessageObject): number =>
  internalDate === undefined ? Infinity : Math.floor(new Date(internalDate).getTime() / 1000);

const ownHosts: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);

/** Without TLS, password and mails are anyone's on the way. */
function requireCover({ host, security }: MailboxSource): void {
  if (security === "none" && !ownHosts.has(host))
    throw new MailboxError(`The mailbox at ${host} would be read without TLS.`, {
      remedy: 'Leave "security" out, or use "starttls"; "none" is for a server on this machine.',
    });
}

function settingsOf(source: MailboxSource, { maxBytes }: MailSettings, password: string) {
  const { security = "tls" } = source;
  // Room for the mail itself and what is said about it.
  const mostBytes = maxBytes + 65_536;
  return {
    host: source.host,
    port: source.port ?? (security === "tls" ? 993 : 143),
    secure: security === "tls",
    doSTARTTLS: security === "starttls",
    tls: { minVersion: "TLSv1.2" as const },
    auth: { user: source.user, pass: password },
    logger: false as const,
    // Compression would let a server fill the memory with few bytes.
    disableCompression: true,
    // Milliseconds of silence until the server is asked to announce mails (IDLE, RFC 2177).
    autoIdleDelay: 200,
    connectionTimeout: 15_000,
    greetingTimeout: 10_000,
    socketTimeout: 120_000,
    maxLiteralSize: mostBytes,
    maxResponseSize: 2 * mostBytes,
  };
}

/** What a server's or connection's failure means to the operator. */
function mailboxError(place: string, { folder = "INBOX" }: MailboxSource, error: unknown): MailboxError {
  const { authenticationFailed, code, executedCommand, serverResponseCode, tlsFailed } = error as {
    readonly authenticationFailed?: boolean;
    readonly code?: string;
    /** As it was sent, its tag first. */
    readonly executedCommand?: string;
    readonly serverResponseCode?: string;
    readonly tlsFailed?: boolean;
  };
  const facts = { mailbox: place, detail: sentenceOf(error) };
  const about = { facts, cause: error };
  if (authenticationFailed)
    return new MailboxError(`The mail server refuses ${place}.`, {
      ...about,
      remedy: "Check user and password; many providers want a password made for one application.",
    });
  if (/^\S+ (?:EXAMINE|SELECT) /.test(executedCommand ?? "") && serverResponseCode !== "UNAVAILABLE")
    return new MailboxError(`There is no folder ${folder} for ${place}.`, {
      ...about,
      remedy: "Name a folder as the server lists it.",
    });
  if (tlsFailed || certificateErrors.test(code ?? ""))
    return new MailboxError(`The connection for ${place} can't be secured.`, {
      ...about,
      remedy: "Check host, port and the server's certificate; NODE_EXTRA_CA_CERTS names one of your own.",
    });
  return new MailboxError(`The mail server does not answer for ${place}.`, { ...about, retry: "safe" });
}

/** Codes of OpenSSL's verification and of Node's host name check. */
const certificateErrors = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|ERR_SSL/;
