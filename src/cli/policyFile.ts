import { readFile } from "node:fs/promises";
import { text as readInput } from "node:stream/consumers";

import { getAddress, isAddress, zeroAddress, type Address } from "viem";

import { BaseError } from "../core/errors.ts";
import { compilePolicy, type CompiledPolicy } from "../policy/compile.ts";
import { parsePolicy } from "../policy/parse.ts";
import type { PolicyDocument } from "../policy/schema.ts";

export type PolicyFile = { readonly text: string; readonly document: PolicyDocument };

/** A policy document from a file, or from the standard input where the file is `-`. */
export async function readPolicyFile(file: string): Promise<PolicyFile> {
  let text: string;
  try {
    text = file === "-" ? await readInput(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new BaseError(`The policy ${file} can't be read.`, {
      remedy: "Check the path.",
      facts: { detail: error instanceof Error ? error.message.split("\n")[0] : String(error) },
      cause: error,
    });
  }
  return { text, document: parsePolicy(text, file === "-" ? "standard input" : file) };
}

/** The agent's address of `--agent`; undefined when it is not given. */
export function agentOf(text: string | undefined): Address | undefined {
  if (text === undefined) return undefined;
  if (isAddress(text)) return getAddress(text);
  throw new BaseError(`"${text}" is not an address.`, {
    remedy: "Write the agent's address: 0x and 40 hex digits, with a right checksum if it has capitals.",
  });
}

/** The compiled policy of a file, for an agent or for whoever it will be. */
export async function compileFile(file: string, agent: string | undefined): Promise<CompiledPolicy> {
  const { document } = await readPolicyFile(file);
  return compilePolicy(document, agentOf(agent) ?? zeroAddress);
}

/** One JSON document on stdout; amounts as decimal text, for no number of JSON holds them. */
export const writeJson = (value: unknown): void =>
  void process.stdout.write(
    `${JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part), 2)}\n`,
  );
