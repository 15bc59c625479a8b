import { createCipheriv, createDecipheriv } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";

import type { RandomSecret } from "../core/ports.ts";
import { JournalKeyError } from "./errors.ts";

/** AES-256-GCM: a nonce of 12 bytes and a tag of 16 stand before the ciphertext. */
const nonceBytes = 12;
const tagBytes = 16;
const version = "1:";

/** Values of the journal that nobody may read who has the journal's file alone. */
export type SealedValues = {
  /** @param place where it is kept; the value opens nowhere else */
  seal(place: string, value: string): string;
  /** undefined: sealed by another key, for another place, or damaged. */
  open(place: string, sealed: string): string | undefined;
};

/**
 * A cipher by the random key in a file beside the journal, which is made when it is not there. The key is not derived from the
 * keystore's password: the link has to come up without it, and a new password would end every session. What it protects against is a
 * copy of the database (a backup, a mail to support); whoever reads the whole folder has both.
 *
 * @throws JournalKeyError
 */
export function openSealedValues(keyFile: string, randomSecret: RandomSecret): SealedValues {
  const key = readKey(keyFile) ?? makeKey(keyFile, randomSecret);
  return {
    seal(place, value) {
      const nonce = Buffer.from(randomSecret().slice(2), "hex").subarray(0, nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(place, "utf8"));
      const ciphertext = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
      return version + Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]).toString("base64");
    },
    open(place, sealed) {
      if (!sealed.startsWith(version)) return undefined;
      const bytes = Buffer.from(sealed.slice(version.length), "base64");
      if (bytes.length < nonceBytes + tagBytes) return undefined;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
        .setAAD(Buffer.from(place, "utf8"))
        .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        const plain = [decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()];
        return Buffer.concat(plain).toString("utf8");
      } catch {
        return undefined;
      }
    },
  };
}

function readKey(file: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new JournalKeyError("can't be read", file, error);
  }
  if (!/^[0-9a-f]{64}$/.test(text)) throw new JournalKeyError("is no key of 32 bytes in hexadecimal", file);
  if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0)
    throw new JournalKeyError("may be read by others than its owner (chmod 600 it)", file);
  return Buffer.from(text, "hex");
}

function makeKey(file: string, randomSecret: RandomSecret): Buffer {
  const key = randomSecret().slice(2);
  try {
    writeFileSync(file, `${key}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    throw new JournalKeyError("can't be written", file, error);
  }
  return Buffer.from(key, "hex");
}
