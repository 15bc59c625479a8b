import { readFile } from "node:fs/promises";

import * as z from "zod";

import { BaseError } from "../core/errors.ts";
import type { Prompt } from "../core/inference.ts";
import { promptSchema } from "../inference/messages.ts";

/** Prompts out of a JSONL file, one a line. @throws BaseError with the first line that is none */
export async function readPrompts(file: string): Promise<readonly Prompt[]> {
  let detail: string;
  try {
    const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.trim() !== "");
    const parsed = z
      .array(promptSchema)
      .min(1)
      .safeParse(lines.map((line): unknown => JSON.parse(line)));
    if (parsed.success) return parsed.data;
    detail =
      parsed.error.issues.map(({ message, path }) => `line ${Number(path[0]) + 1}: ${message}`)[0] ?? "";
  } catch (error) {
    detail = error instanceof Error ? error.message : String(error);
  }
  throw new BaseError(`The prompts in ${file} can't be read.`, {
    remedy:
      'Write one JSON object a line: {"messages":[{"role":"user","content":"…"}],"grammar":null,"maxTokens":40}.',
    facts: { detail },
  });
}
