import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { tell } from "./ownerArguments.ts";

const json = { type: "boolean", description: "One JSON document on stdout.", default: false } as const;
const state = { type: "string", description: "The agent's state folder.", required: true } as const;
const files = () => import("../runtime/journalFiles.ts");
const print = (asJson: boolean, document: unknown, words: string) =>
  process.stdout.write(`${asJson ? JSON.stringify(document) : words}\n`);

const backupCommand = defineCommand({
  meta: {
    name: "backup",
    description:
      "Copies a journal, also of a running agent, checked. Example: bursar journal backup copy.db --state .",
  },
  args: {
    file: {
      type: "positional",
      description: "Where to; an existing file is never overwritten.",
      required: true,
    },
    state,
    json,
  },
  async run({ args }) {
    let told = 0;
    const made = await (
      await files()
    ).backupFrom(args.state, args.file, (fraction) => {
      const tenths = Math.floor(fraction * 10);
      if (tenths > told && process.stderr.isTTY) tell(`copied ${tenths * 10} %`);
      told = tenths;
    });
    print(args.json, made, `${made.file}: ${made.entries} entries, head ${made.head}, sha256 ${made.sha256}`);
  },
});

const verifyCommand = defineCommand({
  meta: {
    name: "verify",
    description:
      "Checks a journal's or a backup's hash chain, its tables against it, and SQLite's own checks. Example: bursar journal verify copy.db",
  },
  args: {
    path: { type: "positional", description: "A journal, a backup, or a state folder.", required: true },
    json,
  },
  async run({ args }) {
    const { entries, head } = (await files()).verifyFile(args.path);
    print(args.json, { intact: true, entries, head }, `Intact: ${entries} entries, head ${head}`);
  },
});

const exportCommand = defineCommand({
  meta: {
    name: "export",
    description:
      "Writes the audit log to stdout, one entry a line (NDJSON). Example: bursar journal export . --after 120",
  },
  args: {
    path: { type: "positional", description: "A journal, a backup, or a state folder.", required: true },
    after: { type: "string", description: "Only entries after this number.", default: "0" },
  },
  async run({ args }) {
    if (!/^\d{1,15}$/.test(args.after))
      throw new BaseError(`"${args.after}" of --after is no number of an entry.`, {
        remedy: "Write digits.",
      });
    for (const entry of (await files()).entriesIn(args.path, Number(args.after)))
      if (!process.stdout.write(`${JSON.stringify(entry)}\n`))
        await new Promise((resolve) => process.stdout.once("drain", resolve));
  },
});

const restoreCommand = defineCommand({
  meta: {
    name: "restore",
    description:
      "Puts a backup where a lost journal was. What it had not settled is held until you release it. Example: bursar journal restore copy.db --state .",
  },
  args: { file: { type: "positional", description: "The backup.", required: true }, state, json },
  async run({ args }) {
    const { entries, head, quarantined } = await (await files()).restoreInto(args.file, args.state);
    print(
      args.json,
      { entries, head, quarantined },
      [
        `Restored ${entries} entries, head ${head}.`,
        quarantined.length === 0
          ? "Nothing was under way."
          : `Held until you release them (bursar journal release): ${quarantined.join(", ")}`,
        "The next start waits until nothing that was signed meanwhile can be included any more, and refuses to run if the chain knows more than this journal.",
      ].join("\n"),
    );
  },
});

const releaseCommand = defineCommand({
  meta: {
    name: "release",
    description:
      "Lets the agent decide what was held after a restore, and sign again where somebody else used its nonces; without names, lists it. Look at the chain first, and stop the agent. Example: bursar journal release --all --state .",
  },
  args: {
    trigger: {
      type: "positional",
      description: "What to release, by id.",
      required: false,
      valueHint: "id …",
    },
    all: { type: "boolean", description: "Everything.", default: false },
    state,
    json,
  },
  async run({ args }) {
    const { heldAt, releaseAt } = await files();
    const held = heldAt(args.state);
    if (args._.length === 0 && !args.all)
      return void print(args.json, { held }, held.length === 0 ? "Nothing is held." : held.join("\n"));
    const unknown = args._.filter((id) => !held.includes(id));
    if (unknown.length > 0)
      throw new BaseError(`${unknown.join(", ")} is not held.`, {
        remedy: "See what is: bursar journal release.",
      });
    const released = releaseAt(args.state, args.all ? "all" : args._);
    print(
      args.json,
      { released },
      released.length === 0 ? "Nothing was held." : `Released: ${released.join(", ")}`,
    );
  },
});

export const journalCommand = defineCommand({
  meta: { name: "journal", description: "Backup, check, export and restore of an agent's journal." },
  subCommands: {
    backup: backupCommand,
    verify: verifyCommand,
    export: exportCommand,
    restore: restoreCommand,
    release: releaseCommand,
  },
});
