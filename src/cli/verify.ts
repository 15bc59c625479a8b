import { writeFile } from "node:fs/promises";

import { defineCommand } from "citty";

import { BaseError } from "../core/errors.ts";
import type { InferenceCheck } from "../runtime/verifyInference.ts";
import { forTerminal } from "./forTerminal.ts";

export const verifyCommand = defineCommand({
  meta: {
    name: "verify",
    description:
      "Runs a recorded inference again and says EXACT, CONSISTENT, MISMATCH or UNVERIFIABLE; exit status 1 at a MISMATCH, 2 at what can't be verified. Example: bursar verify --inference record.json",
  },
  args: {
    inference: { type: "string", description: "The record, JSON.", valueHint: "file" },
    state: {
      type: "string",
      description: "Instead: state folder or journal of an agent.",
      valueHint: "folder",
    },
    decision: { type: "string", description: "Number of the decision in it, from 1.", valueHint: "n" },
    save: { type: "string", description: "Write the record that was found to this file.", valueHint: "file" },
    model: {
      type: "string",
      description: "The model's file; the bundled one when not given.",
      valueHint: "file",
    },
    json: { type: "boolean", description: "One JSON document on stdout.", default: false },
  },
  async run({ args }) {
    const [{ inferenceIn, readInference, verifyInference }, { writeJson }] = await Promise.all([
      import("../runtime/verifyInference.ts"),
      import("./policyFile.ts"),
    ]);
    const { decision, inference: file, state } = args;
    if ((file === undefined) === (state === undefined) || (state === undefined) !== (decision === undefined))
      throw new BaseError("It is not said what to verify.", {
        remedy: "Give --inference FILE, or --state FOLDER with --decision N.",
      });
    if (decision !== undefined && !/^[1-9]\d*$/.test(decision))
      throw new BaseError(`"${decision}" is no number of a decision.`, {
        remedy: "Write a whole number from 1 on.",
      });
    const inference = file === undefined ? inferenceIn(state!, Number(decision)) : await readInference(file);
    if (args.save !== undefined) await writeFile(args.save, `${JSON.stringify(inference, null, 2)}\n`);
    if (!args.json && inference.mode !== "remote")
      process.stderr.write(forTerminal(`running it again with ${inference.model.file}\n`));
    const check = await verifyInference(inference, { model: args.model });
    if (check.verdict === "MISMATCH") process.exitCode = 1;
    if (check.verdict === "UNVERIFIABLE") process.exitCode = 2;
    if (args.json) return writeJson(check);
    process.stdout.write(forTerminal(`${inWords(check)}\n`));
  },
});

function inWords({ firstDivergence, reCheck, tokens, verdict, why }: InferenceCheck): string {
  const sentence = {
    EXACT: `all ${tokens} tokens are written again, by the same model from the same messages.`,
    CONSISTENT: `another program ran it, and this model finds all ${tokens} tokens right within the tolerance.`,
    MISMATCH: why ?? "",
    UNVERIFIABLE: `${why ?? ""}.`,
  }[verdict];
  return [
    `${verdict}: ${sentence}`,
    ...(firstDivergence
      ? [
          `  token ${firstDivergence.index}: ${firstDivergence.recorded ?? "the end"} was recorded, ${firstDivergence.actual ?? "the end"} comes here${marginWords(firstDivergence.marginMilli)}`,
        ]
      : []),
    ...(reCheck
      ? [
          `  ${reCheck.flips} tokens are not the best ones here, the worst by ${reCheck.worstMarginMilli} thousandths of a logit; fingerprints differ by ${reCheck.worstFingerprintMilli ?? "what can't be compared"}`,
        ]
      : []),
  ].join("\n");
}

function marginWords(marginMilli: number | undefined): string {
  if (marginMilli === undefined) return "";
  return marginMilli >= 1_000_000_000
    ? "; the grammar forbids the recorded one"
    : `; the recorded one lies ${marginMilli} thousandths of a logit below`;
}
