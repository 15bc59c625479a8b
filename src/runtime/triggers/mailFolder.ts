import { readFile } from "node:fs/promises";

import type { TriggerSource } from "../../core/agent.ts";
import { BaseError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { Fact } from "../../core/observation.ts";
import type { Now } from "../../core/ports.ts";
import type { Trigger } from "../../core/trigger.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addTrigger } from "../../journal/triggers.ts";
import { referencesIn } from "../../policy/occurrences.ts";
import { excerptMail } from "../../mail/excerpt.ts";
import type { Mail } from "../../mail/mail.ts";
import { listMail } from "../../mail/mailFolder.ts";
import { readMail } from "../../mail/readMail.ts";
import { readMailFile } from "../../mail/readMailFile.ts";
import { parseMailSettings, type MailSettings } from "../../mail/settings.ts";

/** The operator's mail settings can't be read. */
export class MailSettingsFileError extends BaseError {
  override readonly name = "MailSettingsFileError";
}

export type MailWatcher = {
  /** Takes new mails in, durably. A mail that can't be read is noted in the journal and reported, and stops no other. */
  scan(): Promise<void>;
};

export type MailWatcherOptions = {
  readonly agent: string;
  readonly journal: JournalDatabase;
  readonly source: Extract<TriggerSource, { kind: "mailFolder" }>;
  /** Absolute paths of the source's folder and settings. */
  readonly folder: string;
  readonly settingsFile: string;
  readonly now: Now;
  readonly onUnusable: (file: string, error: BaseError) => void;
};

export async function watchMailFolder(options: MailWatcherOptions): Promise<MailWatcher> {
  const settings = await loadSettings(options.settingsFile);
  /** Files looked at in this run, by name and size: not read again. */
  const seen = new Set<string>();
  return {
    async scan() {
      for (const file of await listMail(options.folder, settings)) {
        const key = `${file.name}\n${file.state === "ready" ? file.sizeBytes : "unusable"}`;
        if (seen.has(key)) continue;
        seen.add(key);
        try {
          if (file.state === "unusable") throw file.error;
          const mail = await readMail(await readMailFile(file.path, settings), settings, {
            at: Math.floor(options.now() / 1000),
          });
          addTrigger(
            options.journal,
            options.agent,
            mailTrigger(file.name, mail, options.source.excerptCharacters),
          );
        } catch (error) {
          if (!(error instanceof BaseError) || !error.name.startsWith("Mail")) throw error;
          if (
            noteOnce(options.journal, options.agent, `unusable:${key}`, "unusable", {
              file: file.name,
              error: error.name,
              why: error.shortMessage,
            })
          )
            options.onUnusable(file.name, error);
        }
      }
    },
  };
}

async function loadSettings(file: string): Promise<MailSettings> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new MailSettingsFileError("The mail settings can't be read.", {
      remedy: "Name a JSON file as docs/mail.md describes.",
      facts: { file, detail: error instanceof Error ? error.message : String(error) },
      cause: error,
    });
  }
  return parseMailSettings(document);
}

/** References of one mail that are remembered; a page of numbers is no bill. */
const mostReferences = 200;

/** Characters of a sender's display name that are read; it is free text like all the rest. */
const longestName = 60;

/**
 * One mail, one trigger. The model reads who it says it is from, then the excerpt (docs/mail.md).
 * It is known by the digest of its bytes, not by its Message-ID: a Message-ID is the sender's
 * choice, and a stranger could use up that of a bill to come.
 */
export function mailTrigger(label: string, mail: Mail, excerptCharacters: number): Trigger {
  const from = `From: ${(mail.from.name || mail.from.address).slice(0, longestName)}`;
  const excerpt = excerptMail(mail, excerptCharacters - from.length - 1);
  const untrusted = (value: Json): Fact => ({
    value: typeof value === "string" ? value.toWellFormed() : value,
    provenance: "untrusted",
  });
  const operator = (value: Json): Fact => ({ value, provenance: "operator" });
  const facts: Record<string, Fact> = {
    "mail.digest": operator(mail.digest),
    "mail.from": untrusted(mail.from.address),
    "mail.fromName": untrusted(mail.from.name),
    "mail.subject": untrusted(mail.subject),
    "mail.text": untrusted(`${from}\n${excerpt.text}`),
    // Of the whole mail: the model reads an excerpt, the duplicate check must not.
    "mail.references": untrusted(referencesIn(`${mail.subject}\n${mail.text}`, mostReferences)),
    "mail.excerptRule": operator(excerpt.rule),
    "mail.cut": operator(excerpt.cut),
    "mail.notes": operator(mail.notes.map((note) => note.toWellFormed())),
    "mail.authenticated": operator(mail.sender.state === "authenticated"),
    "mail.domain": operator(mail.sender.domain ?? null),
    "mail.authentication": operator(mail.sender.detail.toWellFormed()),
  };
  return {
    kind: "mail",
    dedupeId: `mail:${mail.digest}`,
    label,
    payload: { facts: facts },
  };
}
