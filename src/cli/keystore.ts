import { readFile } from "node:fs/promises";

import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { askPassword } from "./askPassword.ts";

const minimumPassword = 8;

const newCommand = defineCommand({
  meta: { name: "new", description: "Makes a new random key in an encrypted keystore file." },
  args: {
    file: {
      type: "positional",
      description: "Where to write it; an existing file is never overwritten.",
      required: true,
    },
    "password-file": {
      type: "string",
      description: "File that holds the password; asked on the terminal when not given.",
    },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const passwordFile = args["password-file"];
    const password =
      passwordFile === undefined
        ? await askPassword(args.file)
        : (await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "");
    if (password.length < minimumPassword)
      throw new BaseError(`The password is shorter than ${minimumPassword} characters.`, {
        remedy: "Choose a longer one: it is all that protects the file.",
      });
    const { newKeystore } = await import("../runtime/newKeystore.ts");
    const address = await newKeystore(args.file, password);
    process.stdout.write(
      args.json ? `${JSON.stringify({ address, keystore: args.file })}\n` : `${address}\n`,
    );
  },
});

export const keystoreCommand = defineCommand({
  meta: { name: "keystore", description: "Encrypted key files (Web3 Secret Storage v3)." },
  subCommands: { new: newCommand },
});
