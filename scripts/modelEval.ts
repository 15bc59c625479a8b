// How well a model reads bills, asked as the treasurer asks: the same prompt, the same grammar, the same engine.
//
//   npm run --silent model:eval -- --json
//   npm run model:eval -- --cases mine.jsonl --model other.gguf
//
// A case is a line {"payees": ["acme"], "message": "…", "expected": {"action": "hold", "reason": "unclear"}}; `expected` may be JSON text.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as z from "zod";
import manifest from "../models/clerk/manifest.json" with { type: "json" };
import { payeesMeant } from "../src/agents/payeesMeant.ts";
import { treasurerPrompt } from "../src/agents/treasurer.ts";
import { actionSchema, holdReasons, parseAction, type Action } from "../src/core/action.ts";
import { canonicalize } from "../src/core/canonical.ts";
import type { Prompt } from "../src/core/inference.ts";
import type { Observation } from "../src/core/observation.ts";
import { actionGrammar } from "../src/inference/grammar.ts";
import { hashFile } from "../src/inference/hashFile.ts";
import { openEngine } from "../src/inference/openEngine.ts";
import { candidateAmounts, candidateReferences } from "../src/policy/occurrences.ts";

const help = `npm run model:eval [-- options]

Right answers of a model by class: validJson (it is an action), rightAction (the action and, for a hold, its reason),
exact (all of the answer).

  --cases FILE      JSONL of {payees[], message, expected}; the generated and the hand-written ones when not given
  --model FILE      a GGUF file; the bundled clerk when not given
  --grammar NAME    tight (the default): what the runtime enforces; none: whatever the model writes
  --limit N         the first N cases of each file
  --show N          the first N mistakes, on stderr
  --json            one JSON object on stdout: model, rows[] {set, class, cases, validJson, rightAction, exact}
`;

const folder = path.join(import.meta.dirname, "../models/clerk");
const tokens = ["USDC", "DAI", "ETH"];

const caseSchema = z.object({
  payees: z.array(z.string().min(1)).min(1),
  message: z.string(),
  expected: z
    .union([z.string().transform((text): unknown => JSON.parse(text)), z.looseObject({})])
    .pipe(actionSchema),
});
type Case = z.infer<typeof caseSchema>;
type Row = {
  readonly set: string;
  readonly class: string;
  cases: number;
  validJson: number;
  rightAction: number;
  exact: number;
};

const options = readOptions();
if (options.help) process.stdout.write(help);
else await evaluate();

function readOptions() {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      options: {
        cases: text,
        model: { ...text, default: path.join(folder, manifest.file) },
        grammar: { ...text, default: "tight" },
        limit: { ...text, default: "1000000" },
        show: { ...text, default: "0" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (!["tight", "none"].includes(values.grammar)) throw new Error("--grammar is tight or none.");
    for (const name of ["limit", "show"] as const)
      if (!/^\d+$/.test(values[name])) throw new Error(`--${name} is a whole number.`);
    return values;
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  }
}

function refuse(words: string): never {
  process.stderr.write(`${words}\n`);
  process.exit(2);
}

function readCases(file: string): readonly Case[] {
  if (!existsSync(file)) refuse(`There is no file ${file}.`);
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      return [caseSchema.parse(JSON.parse(line))];
    } catch (error) {
      const why = error instanceof z.ZodError ? error.issues[0] : undefined;
      return refuse(
        `${file}:${index + 1} is no case: ${why ? `${why.path.join(".")}: ${why.message}` : String(error)}`,
      );
    }
  });
}

function promptOf({ message, payees }: Case): Prompt {
  const fact = (value: string | readonly string[]) => ({ value, provenance: "operator" }) as const;
  const observation: Observation = {
    chainId: 1,
    blockNumber: "0",
    blockHash: `0x${"00".repeat(32)}`,
    blockTimestamp: 0,
    facts: { payees: fact(payees), "mail.text": fact(message) },
  };
  const prompt = treasurerPrompt(observation);
  if (options.grammar === "none") return prompt;
  return {
    ...prompt,
    grammar: actionGrammar({
      payees: payeesMeant(observation),
      tokens,
      holdReasons,
      message: { amounts: candidateAmounts(message), references: candidateReferences(message) },
    }),
  };
}

function classOf(action: Action): string {
  return action.action === "hold" ? action.reason : action.action;
}

async function evaluate(): Promise<void> {
  const files = options.cases
    ? [options.cases]
    : ["dev-mail.jsonl", "hand-mail.jsonl"].map((file) => path.join(folder, file));
  const sets = files.map(
    (file) => [path.basename(file), readCases(file).slice(0, Number(options.limit))] as const,
  );
  const sha256 = await hashFile(options.model);
  const engine = await openEngine({ modelPath: options.model, sha256, mode: "canonical" });
  const rows: Row[] = [];
  let shown = 0;
  try {
    for (const [set, cases] of sets) {
      const classes = new Map<string, Row>();
      const rowOf = (name: string): Row => {
        const row = classes.get(name) ?? {
          set,
          class: name,
          cases: 0,
          validJson: 0,
          rightAction: 0,
          exact: 0,
        };
        classes.set(name, row);
        return row;
      };
      for (const [index, one] of cases.entries()) {
        const { text } = await engine.infer(promptOf(one), { kind: "greedy" });
        const action = parseAction(text);
        const exact = canonicalize(action) === canonicalize(one.expected);
        for (const row of [rowOf(classOf(one.expected)), rowOf("all")]) {
          row.cases++;
          row.validJson += Number(classOf(action) !== "unparsable");
          row.rightAction += Number(classOf(action) === classOf(one.expected));
          row.exact += Number(exact);
        }
        if (!exact && shown++ < Number(options.show))
          process.stderr.write(`${set}:${index + 1} expected ${JSON.stringify(one.expected)}, got ${text}\n`);
        if (process.stderr.isTTY) process.stderr.write(`\r${set}: ${index + 1} of ${cases.length} `);
      }
      rows.push(
        ...[...classes.values()].sort((a, b) => Number(a.class === "all") - Number(b.class === "all")),
      );
    }
  } finally {
    await engine.close();
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  const { model } = engine;
  if (options.json)
    return void process.stdout.write(
      `${JSON.stringify({ model: { file: model.file, sha256: model.sha256 }, grammar: options.grammar, rows }, null, 2)}\n`,
    );
  const percent = (part: number, row: Row) => `${((part * 100) / row.cases).toFixed(1).padStart(6)} %`;
  process.stdout.write(
    [
      `${model.file} (${model.sha256.slice(0, 10)}…), grammar ${options.grammar}`,
      "set              class            cases    valid  right action    exact",
      ...rows.map(
        (row) =>
          `${row.set.padEnd(16)} ${row.class.padEnd(15)} ${String(row.cases).padStart(6)} ${percent(row.validJson, row)}     ${percent(row.rightAction, row)} ${percent(row.exact, row)}`,
      ),
      "",
    ].join("\n"),
  );
}
