import { readFile } from "node:fs/promises";

import { BaseError } from "../../core/errors.ts";
import { parseMailSettings, type MailSettings } from "../../mail/settings.ts";

/** The operator's mail settings can't be read. */
export class MailSettingsFileError extends BaseError {
  override readonly name = "MailSettingsFileError";
}

/** @throws MailSettingsFileError · MailSettingsError */
export async function loadMailSettings(file: string): Promise<MailSettings> {
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
