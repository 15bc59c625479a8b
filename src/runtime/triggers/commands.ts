import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import * as z from "zod";

import { BaseError } from "../../core/errors.ts";
import type { Fact } from "../../core/observation.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { setPaused } from "../../journal/pauses.ts";
import { addTrigger } from "../../journal/triggers.ts";
import type { Watcher } from "./watcher.ts";

/** What an operator tells a running agent. */
export type Command =
  { readonly command: "tell"; readonly text: string } | { readonly command: "pause" | "resume" };

/** Longest text of a command, in characters. */
export const mostCharacters = 4096;
/** Largest file that is read, in bytes: such a text in JSON, every character escaped. */
const mostBytes = 64 * 1024;

const schema = z.discriminatedUnion("command", [
  z.strictObject({ command: z.literal("tell"), text: z.string().min(1).max(mostCharacters) }),
  z.strictObject({ command: z.enum(["pause", "resume"]) }),
]);

/** Nobody can be told anything: there is no such state folder. */
export class CommandError extends BaseError {
  override readonly name = "CommandError";
}

const folderOf = (state: string): string => join(state, "commands");

/**
 * Takes in what the operator put into the state folder (`sendCommand`): the journal has one writer, so nobody else may write into it.
 * Whoever can write there is the operator; it is readable for its owner only, as the journal is. Each file counts once.
 */
export function watchCommands(options: {
  readonly agent: string;
  readonly journal: JournalDatabase;
  /** The journal's folder. */
  readonly state: string;
}): Watcher {
  const { agent, journal } = options;
  const folder = folderOf(options.state);
  return {
    async scan() {
      const names = await readdir(folder).catch(() => []);
      // Their names begin with the time they were given.
      for (const name of names.filter((one) => one.endsWith(".json")).sort()) {
        const file = join(folder, name);
        const parsed = schema.safeParse(await read(file));
        if (parsed.success) take(journal, agent, name, parsed.data);
        else {
          noteOnce(journal, agent, `command:${name}`, "unusable", { file: name, why: "It is no command." });
          await rename(file, `${file}.unusable`);
          continue;
        }
        await rm(file, { force: true });
      }
    },
  };
}

function take(journal: JournalDatabase, agent: string, name: string, command: Command): void {
  if (command.command !== "tell") return setPaused(journal, agent, command.command === "pause");
  const text: Fact = { value: command.text.toWellFormed(), provenance: "operator" };
  addTrigger(journal, agent, {
    kind: "operator",
    dedupeId: `command:${name}`,
    label: "operator's command",
    payload: { facts: { "command.text": text } },
  });
}

async function read(file: string): Promise<unknown> {
  try {
    if ((await stat(file)).size > mostBytes) return undefined;
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Puts a command where a runtime on this state folder takes it in, now or at its next start.
 *
 * @returns a promise that tells whether it was taken in within `waitMs`
 * @throws CommandError
 */
export async function sendCommand(
  state: string,
  command: Command,
  on: {
    readonly now: () => number;
    /** Text that no other command has. */
    readonly chance: () => string;
    readonly sleep: (milliseconds: number) => Promise<void>;
    readonly waitMs: number;
  },
): Promise<boolean> {
  if (!existsSync(join(state, "journal.db")))
    throw new CommandError("There is no journal in this folder, so no agent runs on it.", {
      remedy: "Name the folder that the agent's configuration has under `state`.",
      facts: { state },
    });
  const parsed = schema.safeParse(command);
  if (!parsed.success)
    throw new CommandError(`The command has a mistake: ${parsed.error.issues[0]!.message}.`, {
      remedy: `Write 1 to ${mostCharacters} characters.`,
    });
  const folder = folderOf(state);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${String(on.now()).padStart(15, "0")}-${on.chance()}.json`);
  // Under another name until it is whole.
  await writeFile(`${file}.part`, JSON.stringify(parsed.data), { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
  for (let waited = 0; waited < on.waitMs; waited += 100) {
    if (!existsSync(file)) return true;
    await on.sleep(100);
  }
  return !existsSync(file);
}
