#!/usr/bin/env node
import { stripVTControlCharacters } from "node:util";

import { defineCommand, renderUsage, runCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import { accountCommand } from "./account.ts";
import { approvalsCommand } from "./approvals.ts";
import { benchCommand } from "./bench.ts";
import { chainCommand } from "./chain.ts";
import { cancelCommand, pauseCommand, resumeCommand, tellCommand } from "./command.ts";
import { delegateCommand } from "./delegate.ts";
import { delegationsCommand } from "./delegations.ts";
import { doctorCommand } from "./doctor.ts";
import { forTerminal } from "./forTerminal.ts";
import { freezeCommand } from "./freeze.ts";
import { journalCommand } from "./journal.ts";
import { keystoreCommand } from "./keystore.ts";
import { modelCommand } from "./model.ts";
import { policyCommand } from "./policy.ts";
import { relayCommand } from "./relay.ts";
import { runAgentCommand } from "./run.ts";
import { withoutPaths } from "./withoutPaths.ts";
import { findCommand, findNamed, refuseUnknown, type FoundCommand } from "./strictArguments.ts";
import { verifyCommand } from "./verify.ts";

const main = defineCommand({
  meta: {
    name: "bursar",
    version: "0.1.0",
    description: "AI agents that spend by the book, and keep the book.",
  },
  // Each command loads what it needs when it runs: `bursar --help` answers without viem or the model's binding.
  subCommands: {
    run: runAgentCommand,
    doctor: doctorCommand,
    freeze: freezeCommand,
    pause: pauseCommand,
    resume: resumeCommand,
    cancel: cancelCommand,
    tell: tellCommand,
    approvals: approvalsCommand,
    delegate: delegateCommand,
    delegations: delegationsCommand,
    policy: policyCommand,
    verify: verifyCommand,
    model: modelCommand,
    bench: benchCommand,
    chain: chainCommand,
    relay: relayCommand,
    journal: journalCommand,
    keystore: keystoreCommand,
    account: accountCommand,
  },
});

// Whoever reads may stop reading (`bursar doctor | head`). That ends no agent, and is no fault.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

const words = process.argv.slice(2);
let found: FoundCommand | undefined;
try {
  if (words.includes("--help") || words.includes("-h") || words.length === 0) {
    const { command, parent } = await findNamed(
      main,
      words.filter((word) => !word.startsWith("-")),
    );
    const usage = await renderUsage(command, parent);
    process.stdout.write(`${process.stdout.isTTY ? usage : stripVTControlCharacters(usage)}\n`);
  } else if (words[0] === "--version" || words[0] === "-v") {
    process.stdout.write("0.1.0\n");
  } else {
    found = await findCommand(main, words);
    await refuseUnknown(found, words);
    await runCommand(main, { rawArgs: [...words] });
  }
} catch (error) {
  process.exitCode = 1;
  const json = words.includes("--json");
  if (error instanceof BaseError) {
    if (json)
      process.stdout.write(
        `${JSON.stringify({ error: { name: error.name, message: error.shortMessage, remedy: error.remedy ?? null, facts: error.facts, retry: error.retry } })}\n`,
      );
    else process.stderr.write(forTerminal(`${error.message}\n`));
  } else if (error instanceof Error && error.name === "CLIError") {
    const message = stripVTControlCharacters(error.message);
    const help = `${found?.path ?? "bursar"} --help`;
    if (json)
      process.stdout.write(
        `${JSON.stringify({ error: { name: error.name, message, remedy: `Try: ${help}`, facts: {}, retry: "never" } })}\n`,
      );
    else process.stderr.write(`${message}\nTry: ${help}\n`);
  } else {
    // Nothing of ours says this: a fault of the program's, told in full.
    if (json)
      process.stdout.write(
        `${JSON.stringify({ error: { name: "InternalError", message: withoutPaths(error instanceof Error ? error.message : String(error)), remedy: "It is a fault of the program: please report it.", facts: {}, retry: "never" } })}\n`,
      );
    process.stderr.write(
      forTerminal(
        `A fault of the program; please report it with what follows.\n${withoutPaths(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
      ),
    );
  }
}
