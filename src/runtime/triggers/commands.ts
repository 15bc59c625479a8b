import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { isAddress, type Address, type Hex } from "viem";
import * as z from "zod";

import { BaseError } from "../../core/errors.ts";
import type { Fact } from "../../core/observation.ts";
import { cancelDecision } from "../../journal/cancels.ts";
import { noteOnce } from "../../journal/entries.ts";
import type { JournalDatabase } from "../../journal/openJournal.ts";
import { setPaused } from "../../journal/pauses.ts";
import { addTrigger } from "../../journal/triggers.ts";
import type { GivenAnswer } from "../takeAnswer.ts";
import type { Watcher } from "./watcher.ts";

/** What an operator tells a running agent. */
export type Command = (
  | { readonly command: "tell"; readonly text: string }
  | { readonly command: "pause" | "resume" }
  /** The decision under way; `decision`: only if it is this one. */
  | { readonly command: "cancel"; readonly decision?: string | undefined }
  /** An approver's answer to what was asked, which has to be by somebody who was asked. */
  | { readonly command: "approve"; readonly ask: Hex; readonly approver: Address; readonly signature: Hex }
  | { readonly command: "decline"; readonly ask: Hex }
) & {
  /** Whom; without: every agent there, which may be told something only if it is one. */
  readonly agent?: string | undefined;
};

/** Longest text of a command, in characters. */
export const mostCharacters = 4096;
/** Largest file that is read, in bytes: such a text in JSON, every character escaped. */
const mostBytes = 64 * 1024;

/** More than any wallet's signature has: a contract's may be a few hundred. */
const mostSignatureBytes = 8192;

const agent = z.string().min(1).max(256).optional();
const hexOf = (leastBytes: number, mostBytes: number) =>
  z.custom<Hex>(
    (value) =>
      typeof value === "string" &&
      /^0x([0-9a-f]{2})*$/i.test(value) &&
      value.length >= 2 + 2 * leastBytes &&
      value.length <= 2 + 2 * mostBytes,
  );
const leaf = hexOf(32, 32);
const schema = z.discriminatedUnion("command", [
  z.strictObject({ command: z.literal("tell"), text: z.string().min(1).max(mostCharacters), agent }),
  z.strictObject({ command: z.enum(["pause", "resume"]), agent }),
  z.strictObject({ command: z.literal("cancel"), decision: z.string().min(1).max(100).optional(), agent }),
  z.strictObject({
    command: z.literal("approve"),
    ask: leaf,
    approver: z.custom<Address>((value) => typeof value === "string" && isAddress(value, { strict: false })),
    signature: hexOf(0, mostSignatureBytes),
    agent,
  }),
  z.strictObject({ command: z.literal("decline"), ask: leaf, agent }),
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
  /** Takes in an approver's answer; tells why it is none. */
  readonly answer: (given: GivenAnswer) => Promise<string | undefined>;
  readonly now: () => number;
  /** All that run on this folder, one at least. */
  readonly agents: readonly string[];
  readonly journal: JournalDatabase;
  /** The journal's folder. */
  readonly state: string;
}): Watcher {
  const { agents, journal } = options;
  const folder = folderOf(options.state);
  async function look(): Promise<void> {
    const names = await readdir(folder).catch(() => []);
    // Their names begin with the time they were given.
    for (const name of names.filter((one) => one.endsWith(".json")).sort()) {
      const file = join(folder, name);
      const parsed = schema.safeParse(await read(file));
      let why: string | undefined;
      try {
        why = parsed.success ? await taken(name, parsed.data) : "It is no command.";
      } catch (error) {
        // A chain that is away keeps one answer waiting, and nothing else.
        if (!(error instanceof BaseError) || error.retry !== "safe") throw error;
        continue;
      }
      if (why === undefined) {
        await rm(file, { force: true });
        continue;
      }
      noteOnce(journal, agents[0]!, `command:${name}`, "unusable", { file: name, why });
      await rename(file, unusable(file));
    }
  }
  async function taken(name: string, command: Command): Promise<string | undefined> {
    if (command.command !== "approve" && command.command !== "decline")
      return take(journal, agents, name, command);
    const given = { leaf: command.ask.toLowerCase() as Hex, channel: "cli", atMs: options.now() };
    if (command.command === "decline") return options.answer({ ...given, state: "declined" });
    const { approver, signature } = command;
    return options.answer({ ...given, state: "approved", approver, signature });
  }
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    // Agents ask before each decision: one looks for all of them, and whoever asks meanwhile waits for the look after that.
    scan() {
      const begin = (): Promise<void> => {
        next = undefined;
        return (last = look());
      };
      return (next ??= last.then(begin, begin));
    },
  };
}

/** What is done with a file that can't be followed. */
const unusable = (file: string): string => `${file}.unusable`;

const unnamed = "Several agents run here, and it names none of them.";

/** Does what a command says; why not, if it can't be. */
function take(
  journal: JournalDatabase,
  agents: readonly string[],
  name: string,
  command: Exclude<Command, { readonly command: "approve" | "decline" }>,
): string | undefined {
  const whom = agents.filter((one) => command.agent === undefined || one === command.agent);
  if (whom.length === 0) return `No agent here is called ${JSON.stringify(command.agent)}.`;
  if (command.command === "cancel") {
    if (whom.length > 1 && command.decision === undefined) return unnamed;
    const cancelled = whom.filter((one) => cancelDecision(journal, one, command.decision) !== undefined);
    return cancelled.length === 0 ? "No such decision is under way." : undefined;
  }
  if (command.command !== "tell") {
    for (const one of whom) setPaused(journal, one, command.command === "pause");
    return undefined;
  }
  if (whom.length > 1) return unnamed;
  const text: Fact = { value: command.text.toWellFormed(), provenance: "operator" };
  addTrigger(journal, whom[0]!, {
    kind: "operator",
    dedupeId: `command:${name}`,
    label: "operator's command",
    payload: { facts: { "command.text": text } },
  });
  return undefined;
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
  for (let waited = 0; waited < on.waitMs && existsSync(file); waited += 100) await on.sleep(100);
  if (existsSync(unusable(file)))
    throw new CommandError("The command was left aside.", {
      remedy:
        "Name one of the agents that run there: --agent NAME; or, to cancel, a decision that is under way. The audit log says what was wrong.",
      facts: { file: unusable(file) },
    });
  return !existsSync(file);
}
