#!/usr/bin/env node
import { stripVTControlCharacters } from "node:util";

import { defineCommand, renderUsage, runCommand, type CommandDef } from "citty";

import { BaseError } from "../core/errors.ts";
import { chainCommand } from "./chain.ts";
import { keystoreCommand } from "./keystore.ts";
import { modelCommand } from "./model.ts";
import { policyCommand } from "./policy.ts";
import { runAgentCommand } from "./run.ts";

const main = defineCommand({
  meta: {
    name: "bursar",
    version: "0.1.0",
    description: "AI agents that spend by the book, and keep the book.",
  },
  // Each command loads what it needs when it runs: `bursar --help` answers without viem or the model's binding.
  subCommands: {
    run: runAgentCommand,
    policy: policyCommand,
    model: modelCommand,
    chain: chainCommand,
    keystore: keystoreCommand,
  },
});

/** The command that the words lead to, for its usage text. */
async function commandAt(words: readonly string[]): Promise<readonly [CommandDef, CommandDef | undefined]> {
  let parent: CommandDef | undefined;
  let command: CommandDef = main;
  for (const word of words) {
    const subCommands = (await resolveValue(command.subCommands)) ?? {};
    const next = (await resolveValue(subCommands[word])) as CommandDef | undefined;
    if (!next) break;
    [parent, command] = [command, next];
  }
  return [command, parent];
}

async function resolveValue<T>(value: T | (() => T) | Promise<T> | (() => Promise<T>)): Promise<T> {
  return typeof value === "function" ? await (value as () => T | Promise<T>)() : await value;
}

const words = process.argv.slice(2);
try {
  if (words.includes("--help") || words.includes("-h") || words.length === 0) {
    const usage = await renderUsage(...(await commandAt(words.filter((word) => !word.startsWith("-")))));
    process.stdout.write(`${process.stdout.isTTY ? usage : stripVTControlCharacters(usage)}\n`);
  } else if (words[0] === "--version" || words[0] === "-v") {
    process.stdout.write("0.1.0\n");
  } else await runCommand(main, { rawArgs: [...words] });
} catch (error) {
  process.exitCode = 1;
  const json = words.includes("--json");
  if (error instanceof BaseError) {
    if (json)
      process.stdout.write(
        `${JSON.stringify({ error: { name: error.name, message: error.shortMessage, remedy: error.remedy ?? null, facts: error.facts, retry: error.retry } })}\n`,
      );
    else process.stderr.write(`${error.message}\n`);
  } else if (error instanceof Error && error.name === "CLIError") {
    process.stderr.write(`${stripVTControlCharacters(error.message)}\nTry: bursar --help\n`);
  } else throw error;
}
