import { rename, writeFile } from "node:fs/promises";

import type { LocalEngine, Prompt, ReCheck } from "../core/inference.ts";
import { calibrate, calibrationFileOf, type Calibration } from "../inference/calibration.ts";
import { hashFile } from "../inference/hashFile.ts";
import { openEngine, type OpenEngineOptions } from "../inference/openEngine.ts";
import { readPrompts } from "./readPrompts.ts";

/** Subjects to write about: plain, and different enough that a model is now and then unsure. */
const subjects = [
  "the harbour in winter",
  "a bill for roof repairs",
  "how bread is baked",
  "a lost umbrella",
  "the rules of chess",
  "why the sky is blue",
  "a letter to a landlord",
  "an argument about money",
  "the smell of rain",
  "a train that is late",
  "the price of copper",
  "an old violin",
  "how to plant a tree",
  "a meeting nobody needed",
  "the number seven",
  "a recipe for soup",
  "a city at night",
  "the history of glass",
  "a cat that will not move",
  "an apology",
] as const;

/** Tokens that each run may write: enough for differences to show, little enough to wait for. */
const TOKENS = 40;

/** Ways of running the same model honestly, beside the canonical one. */
const othersOf = (
  contextSize: number,
): readonly { readonly words: string; readonly options: Partial<OpenEngineOptions> }[] => [
  { words: "fast mode (a GPU where there is one, flash attention)", options: { mode: "fast" } },
  { words: "fast mode with two threads", options: { mode: "fast", threads: 2 } },
  {
    words: "canonical mode with two threads and another context",
    options: { threads: 2, contextSize: Math.ceil((contextSize * 3) / 4) },
  },
  { words: "canonical mode with the fastest CPU variant here", options: { cpuVariant: "best" } },
];

/**
 * Runs prompts in several honest ways, checks each record in each other way, and writes down how far they go apart.
 *
 * @throws what `openEngine` throws; BaseError when the prompts can't be read
 */
export async function calibrateModel(options: {
  readonly modelPath: string;
  /** JSONL of prompts `{ messages, grammar, maxTokens }`; general ones when not given. */
  readonly prompts?: string | undefined;
  readonly contextSize?: number | undefined;
  readonly onProgress?: (done: number, all: number) => void;
  readonly signal?: AbortSignal;
}): Promise<Calibration & { readonly file: string }> {
  const { modelPath, signal } = options;
  const prompts = options.prompts === undefined ? general() : await readPrompts(options.prompts);
  const sha256 = await hashFile(modelPath);
  const open = (how: Partial<OpenEngineOptions>) =>
    openEngine({
      modelPath,
      sha256,
      mode: "canonical",
      ...(options.contextSize === undefined ? {} : { contextSize: options.contextSize }),
      ...how,
      ...(signal ? { signal } : {}),
    });
  const here = await open({});
  const others = othersOf(here.settings.contextSize);
  const checks: ReCheck[] = [];
  try {
    for (const { options: how } of others) {
      const there = await open(how);
      try {
        for (const prompt of prompts) {
          checks.push(...(await bothWays(here, there, prompt, signal)));
          options.onProgress?.(checks.length, prompts.length * others.length * 2);
        }
      } finally {
        await there.close();
      }
    }
    const found = calibrate(
      { file: here.model.file, sha256 },
      others.map(({ words }) => words),
      checks,
    );
    const file = calibrationFileOf(modelPath);
    await writeFile(`${file}.part`, `${JSON.stringify(found, null, 2)}\n`);
    await rename(`${file}.part`, file);
    return { ...found, file };
  } finally {
    await here.close();
  }
}

/** What is found, not judged: any distance will do. */
const boundless = { marginMilli: 1_000_000, fingerprintMilli: 1_000_000, flipsPermille: 1000 };

async function bothWays(
  a: LocalEngine,
  b: LocalEngine,
  prompt: Prompt,
  signal: AbortSignal | undefined,
): Promise<readonly ReCheck[]> {
  const how = signal ? { signal } : {};
  const greedy = { kind: "greedy" } as const;
  return [
    await b.reCheck(await a.infer(prompt, greedy, how), boundless, how),
    await a.reCheck(await b.infer(prompt, greedy, how), boundless, how),
  ];
}

const general = (): readonly Prompt[] =>
  subjects.map((subject) => ({
    messages: [
      { role: "system", content: "You write short texts." },
      { role: "user", content: `Write three sentences about ${subject}. Begin at once, without a title.` },
    ],
    grammar: null,
    maxTokens: TOKENS,
  }));
