import { parseArgs } from "node:util";

import type { ArgDef, CommandDef, Resolvable } from "citty";

import { BaseError } from "../core/errors.ts";
import { nearestWord } from "../core/nearestWord.ts";

/** Words on the command line that no command asked for. What they were meant to say would quietly not happen. */
export class UsageError extends BaseError {
  override readonly name = "UsageError";
}

/** A command, and the words that lead to it: `bursar policy check`. */
export type FoundCommand = {
  readonly command: CommandDef;
  readonly path: string;
  /** The command above it, named by all the words that lead there, as usage texts show it. */
  readonly parent: CommandDef | undefined;
  /** Where in the words its own begin. */
  readonly from: number;
};

/** The command that the first words lead to, as far as they do; behind a group that has a usual command, that one. */
export async function findCommand(main: CommandDef, words: readonly string[]): Promise<FoundCommand> {
  const found = await findNamed(main, words);
  const usual = await resolved(found.command.default);
  const next = words[found.from];
  if (usual === undefined || (next !== undefined && !next.startsWith("-"))) return found;
  const command = (await resolved<CommandDef>((await resolved(found.command.subCommands))![usual]))!;
  return { ...found, command, parent: found.command };
}

/** The command that the words name. */
export async function findNamed(main: CommandDef, words: readonly string[]): Promise<FoundCommand> {
  let command = main;
  let path = (await resolved(main.meta))?.name ?? "";
  let parent: CommandDef | undefined;
  for (const [from, word] of words.entries()) {
    const subCommands = await resolved(command.subCommands);
    if (!subCommands) return { command, path, parent, from };
    if (!Object.hasOwn(subCommands, word)) return { command, path, parent, from };
    parent = { ...command, meta: { ...(await resolved(command.meta)), name: path } };
    command = (await resolved<CommandDef>(subCommands[word]))!;
    path = `${path} ${word}`;
  }
  return { command, path, parent, from: words.length };
}

/**
 * Refuses whatever the parser would pass over: options and words that no command knows, options without a value or with
 * two, and yes-or-no options with anything but `true` and `false`.
 *
 * @throws UsageError with the nearest thing that there is
 */
export async function refuseUnknown(found: FoundCommand, words: readonly string[]): Promise<void> {
  const { command, path } = found;
  const own = words.slice(found.from);
  const refuse = (sentence: string, near?: string): never => {
    throw new UsageError(sentence, {
      remedy: `${near === undefined ? "" : `Did you mean ${near}? `}\`${path} --help\` shows what there is.`,
    });
  };
  const subCommands = await resolved(command.subCommands);
  if (subCommands) {
    const [word] = own;
    if (word === undefined) return refuse(`\`${path}\` needs a command.`);
    return word.startsWith("-")
      ? refuse(`\`${path}\` has no option ${word.split("=")[0]}; options follow the whole command.`)
      : refuse(`Unknown command: ${path} ${word}`, nearestWord(Object.keys(subCommands), word));
  }
  const definitions = Object.entries((await resolved(command.args)) ?? {});
  const places = definitions.filter(([, { type }]) => type === "positional");
  const options = new Map(
    definitions.flatMap(([name, definition]) =>
      definition.type === "positional"
        ? []
        : spellings(name, definition).map((one) => [one, { name, definition }] as const),
    ),
  );
  const { tokens } = parseArgs({
    args: [...own],
    options: Object.fromEntries(
      [...options].map(([name, { definition }]) => [
        name,
        { type: definition.type === "boolean" ? ("boolean" as const) : ("string" as const) },
      ]),
    ),
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  const surplus: string[] = [];
  let taken = 0;
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (taken >= places.length && !isSeveral(places.at(-1)?.[1])) surplus.push(token.value);
      taken++;
    }
    if (token.kind !== "option") continue;
    const { rawName, value } = token;
    const negated = rawName.startsWith("--no-") ? options.get(rawName.slice(5)) : undefined;
    if (negated?.definition.type === "boolean" && value === undefined) continue;
    const option = rawName.startsWith("--") ? options.get(token.name) : undefined;
    if (!option) {
      const near = nearestWord(
        [...new Set([...options.values()].map(({ name }) => name))],
        rawName.replace(/^-+/, ""),
      );
      return refuse(`\`${path}\` has no option ${rawName}.`, near && `--${near}`);
    }
    if (option.definition.type === "boolean") {
      if (value !== undefined && value !== "true" && value !== "false")
        return refuse(`${rawName} is said or not said: it takes no "${value}".`);
    } else if (value === undefined || value === "" || (!token.inlineValue && value.startsWith("--")))
      return refuse(`${rawName} needs a value.`);
    if (seen.has(option.name)) return refuse(`${rawName} is there twice.`);
    seen.add(option.name);
  }
  if (surplus.length > 0)
    refuse(
      `\`${path}\` takes ${places.length === 0 ? "no words" : places.length === 1 ? "one word" : `${places.length} words`} beside its options; what is ${surplus.map((word) => `"${word}"`).join(" ")}?`,
    );
}

/** A positional argument whose hint ends with dots takes all the words that are left. */
const isSeveral = (definition: ArgDef | undefined) => definition?.valueHint?.endsWith("…") ?? false;

/** The parser takes `--owner-keystore` and `--ownerKeystore` for the same. */
const spellings = (name: string, { alias }: ArgDef & { readonly alias?: string | string[] }) => [
  name,
  name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
  ...(alias === undefined ? [] : [alias].flat()),
];

async function resolved<T>(value: Resolvable<T> | undefined): Promise<T | undefined> {
  return typeof value === "function" ? await (value as () => T | Promise<T>)() : await value;
}
