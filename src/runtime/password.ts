import { readFile } from "node:fs/promises";

import { ConfigError } from "./config.ts";

/** A keystore and where its password is. */
export type KeystoreFile = { readonly keystore: string; readonly passwordFile?: string | undefined };
export type AskPassword = (keystore: string) => Promise<string>;

/** The password of a keystore: from its file, or asked. */
export async function passwordFor(key: KeystoreFile, askPassword: AskPassword | undefined): Promise<string> {
  if (key.passwordFile !== undefined)
    return (await readText(key.passwordFile, "password file")).replace(/\r?\n$/, "");
  if (askPassword) return askPassword(key.keystore);
  throw new ConfigError("The keystore needs a password.", {
    remedy: "Name a passwordFile in the configuration, or run in a terminal to be asked.",
    facts: { keystore: key.keystore },
  });
}

/** A file that the configuration names. */
export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ConfigError(`The ${what} can't be read.`, {
      remedy: "Check the path in the configuration.",
      facts: { file, detail: error instanceof Error ? error.message : String(error) },
      cause: error,
    });
  }
}
