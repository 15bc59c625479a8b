import type { TriggerSource } from "../../core/agent.ts";
import { BaseError } from "../../core/errors.ts";
import type { Now } from "../../core/ports.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { addTrigger } from "../../journal/triggers.ts";
import { listMail } from "../../mail/mailFolder.ts";
import { readMail } from "../../mail/readMail.ts";
import { readMailFile } from "../../mail/readMailFile.ts";
import { loadMailSettings } from "./loadMailSettings.ts";
import { mailTrigger } from "./mailTrigger.ts";

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
  const settings = await loadMailSettings(options.settingsFile);
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
