import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

import { BaseError } from "../core/errors.ts";

/** A password is needed and nobody is there to type it. */
export class NoTerminalError extends BaseError {
  override readonly name = "NoTerminalError";
}

/** Asks for a password on the terminal without showing it. */
export async function askPassword(keystore: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new NoTerminalError("A password is needed, and there is no terminal to ask on.", {
      remedy: "Name a password file.",
      facts: { keystore },
    });
  process.stderr.write(`Password for ${keystore}: `);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await lines.question("");
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
