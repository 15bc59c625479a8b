import type { Inference, InferenceEngine, Prompt } from "../core/inference.ts";
import { nameOf } from "../inference/breakage.ts";
import { actionAnswers } from "../inference/grammar.ts";
import { jsonSchemaOf } from "../inference/jsonSchemaOf.ts";
import { percentile } from "../inference/percentile.ts";
import { schemaGrammar } from "../inference/schemaGrammar.ts";
import { economicsOf, type Economics } from "./economics.ts";
import type { EngineConfig } from "./modelConfig.ts";
import { engineName, openModel } from "./openModel.ts";
import type { Prices } from "./prices.ts";

/** Milliseconds that half, and nineteen of twenty, were not above. */
export type Spread = { readonly p50: number; readonly p95: number };

/** How one engine did. */
export type EngineBench = {
  readonly engine: string;
  readonly mode: Inference["mode"] | null;
  /** From nothing to ready: hashing and loading, or a server's first word. null: it did not open. */
  readonly openMs: number | null;
  /** Answers that were counted; the first of each engine is not, it warms up. */
  readonly answers: number;
  /** Errors by name. */
  readonly failed: Readonly<Record<string, number>>;
  /** null: no answers. `total` is what a caller waits. */
  readonly ms: { readonly prefill: Spread; readonly generation: Spread; readonly total: Spread } | null;
  /** Tokens a second, over all answers; of the prompt only those that were not reused. null where nothing was measured. */
  readonly tokensPerSecond: { readonly prompt: number | null; readonly output: number | null };
  /** Answers that are those of the first engine that answered, word for word. */
  readonly sameAsFirst: number;
  readonly economics: Economics;
};

export type BenchOptions = {
  readonly engines: readonly EngineConfig[];
  /** Bills to read when not given. */
  readonly prompts?: readonly Prompt[] | undefined;
  /** How often each prompt is asked of each engine. */
  readonly runs: number;
  readonly prices?: Prices | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (engine: string, permille: number) => void;
  readonly onEngine?: (bench: EngineBench) => void;
};

/**
 * Asks engines the same prompts, one engine after the other, one question at a time: what a single decision waits for, not what a
 * machine can do with many at once.
 *
 * @throws what the signal was aborted with. An engine that breaks is a line with its errors, and the others go on.
 */
export async function benchModel(options: BenchOptions): Promise<readonly EngineBench[]> {
  const prompts = options.prompts ?? bills();
  /** Texts of the first engine, by prompt. */
  const texts = new Map<Prompt, string>();
  const benches: EngineBench[] = [];
  for (const config of options.engines) {
    const bench = await benchEngine(config, prompts, texts, options);
    benches.push(bench);
    options.onEngine?.(bench);
  }
  return benches;
}

async function benchEngine(
  config: EngineConfig,
  prompts: readonly Prompt[],
  texts: Map<Prompt, string>,
  { onProgress, prices, runs, signal }: BenchOptions,
): Promise<EngineBench> {
  const name = engineName(config);
  const failed: Record<string, number> = {};
  const fail = (error: unknown) => {
    signal?.throwIfAborted();
    failed[nameOf(error)] = (failed[nameOf(error)] ?? 0) + 1;
  };
  const counted: { readonly inference: Inference; readonly totalMs: number; readonly same: boolean }[] = [];
  let engine: InferenceEngine | undefined;
  let openMs: number | null = null;
  const begun = performance.now();
  try {
    engine = await openModel(config, { signal });
    openMs = Math.round(performance.now() - begun);
    const asked = Array.from({ length: runs }, () => prompts).flat();
    for (const [index, prompt] of [prompts[0]!, ...asked].entries()) {
      onProgress?.(name, Math.floor((index * 1000) / (asked.length + 1)));
      const started = performance.now();
      try {
        const inference = await engine.infer(prompt, { kind: "greedy" }, signal ? { signal } : {});
        const totalMs = performance.now() - started;
        if (!texts.has(prompt)) texts.set(prompt, inference.text);
        if (index > 0) counted.push({ inference, totalMs, same: texts.get(prompt) === inference.text });
      } catch (error) {
        fail(error);
      }
    }
    onProgress?.(name, 1000);
  } catch (error) {
    fail(error);
  } finally {
    await engine?.close();
  }
  return {
    engine: name,
    mode: engine?.mode ?? null,
    openMs,
    answers: counted.length,
    failed,
    ...figuresOf(counted),
    sameAsFirst: counted.filter(({ same }) => same).length,
    economics: economicsOf(
      counted.map(({ inference }) => inference),
      prices,
    ),
  };
}

function figuresOf(
  counted: readonly { readonly inference: Inference; readonly totalMs: number }[],
): Pick<EngineBench, "ms" | "tokensPerSecond"> {
  if (counted.length === 0) return { ms: null, tokensPerSecond: { prompt: null, output: null } };
  const spread = (values: readonly number[]): Spread => ({
    p50: Math.round(percentile(values, 50)),
    p95: Math.round(percentile(values, 95)),
  });
  const timings = counted.map(({ inference }) => inference.timing);
  const { cachedTokens, ms, outputTokens, promptTokens } = economicsOf(
    counted.map(({ inference }) => inference),
    undefined,
  );
  const rate = (tokens: number, milliseconds: number) =>
    milliseconds > 0 && tokens > 0 ? Math.round((tokens * 10_000) / milliseconds) / 10 : null;
  return {
    ms: {
      prefill: spread(timings.map(({ prefillMs }) => prefillMs)),
      generation: spread(timings.map(({ generationMs }) => generationMs)),
      total: spread(counted.map(({ totalMs }) => totalMs)),
    },
    tokensPerSecond: {
      prompt: rate(promptTokens - (cachedTokens ?? 0), ms.prefill),
      output: rate(outputTokens, ms.generation),
    },
  };
}

const payees = ["acme", "northwind", "globex"];
const mails = [
  "Hello, please pay invoice INV-1042 of 42.50 USDC to acme. It is due on the 12th.",
  "Thanks for the lunch yesterday, see you at the offsite in June!",
  "Invoice 77: zorblax asks for 1,250 DAI, due on the 12th.",
  "Reminder: your bill NW-2207 from northwind over 318.00 USDC is still open. Reference NW-2207.",
  "globex here. The total of this quarter is 90.10 USDC, reference G-12. Last quarter it was 88.00 USDC.",
  "Newsletter: ten ways to save on hosting. Plans from 4.99 USDC a month. Unsubscribe below.",
];

/** What the bundled clerk is for: mails of which some are bills, and answers in the form of its actions. */
function bills(): readonly Prompt[] {
  const answers = actionAnswers({
    payees,
    tokens: ["USDC", "DAI"],
    holdReasons: ["not-a-bill", "unknown-payee", "unclear"],
  });
  const jsonSchema = jsonSchemaOf(answers);
  const form = { grammar: schemaGrammar(answers), ...(jsonSchema ? { jsonSchema } : {}), maxTokens: 120 };
  return mails.map((mail) => ({
    messages: [
      { role: "system", content: "You are a payments clerk. Answer with one JSON action." },
      { role: "user", content: `payees: ${payees.join(", ")}\nmessage:\n${mail}` },
    ],
    ...form,
  }));
}
