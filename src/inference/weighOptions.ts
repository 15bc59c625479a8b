import type { ControlledEvaluateInputItem, LlamaModel, Token } from "node-llama-cpp";
import type { OptionWeight } from "../core/inference.ts";
import { LEFT_OVER, RAW, milli } from "./fingerprint.ts";
import type { Seat } from "./openContext.ts";
import { WorkerFailure } from "./workerFailure.ts";

/** An option and its tokens, as the tokenizer writes them. */
export type TokenizedOption = { readonly text: string; readonly tokens: readonly Token[] };

export function tokenizeOptions(model: LlamaModel, options: readonly string[]): readonly TokenizedOption[] {
  return options.map((text) => {
    const tokens = model.tokenize(text, false, "trimLeadingSpace");
    if (tokens.length === 0) throw new WorkerFailure("request", "an option is no token at all", { text });
    return { text, tokens };
  });
}

/**
 * How likely the model finds each option behind `prefix`, each in a pass of its own. Comes after the run, on its sequence:
 * what was evaluated of the prefix stays, what is behind it goes, so a run is the same with and without options.
 * `prefix` has to be what the sequence begins with, as far as it goes.
 */
export async function weighOptions(
  { forget, sequence }: Seat,
  prefix: readonly Token[],
  options: readonly TokenizedOption[],
): Promise<readonly OptionWeight[]> {
  const logs: number[] = [];
  for (const { tokens } of options) {
    // Two tokens of the prefix again, for the same reason as in a run: one row alone computes other bits.
    await forget(Math.max(0, prefix.length - LEFT_OVER));
    const all = [...prefix, ...tokens.slice(0, -1)];
    const from = sequence.nextTokenIndex;
    const first = prefix.length - 1 - from;
    const results = await sequence.controlledEvaluate(
      all.slice(from).map((token, at): ControlledEvaluateInputItem => {
        const next = tokens[at - first];
        if (next === undefined) return token;
        // Not `includeMax`: in the pinned binding it gives the largest one only if it was asked for by name.
        const filter = { tokens: [next], includeTop: 1 };
        return [token, { generateNext: { logits: { filter }, totalLogitWeight: true, options: RAW } }];
      }),
    );
    let log = 0;
    for (const [index, token] of tokens.entries()) {
      const next = results[first + index]?.next;
      const logit = next?.logits?.get(token);
      if (next?.logits === undefined || next.totalLogitWeight === undefined || logit === undefined)
        throw new Error("The binding gave no logits for an option.");
      // `totalLogitWeight` is the sum of exp(logit - largest logit).
      log += logit - Math.max(...next.logits.values()) - Math.log(next.totalLogitWeight);
    }
    logs.push(log);
  }
  const best = Math.max(...logs);
  const sum = logs.reduce((total, log) => total + Math.exp(log - best), 0);
  return options.map(({ text }, index) => ({
    text,
    logMilli: Math.min(0, milli(logs[index]!)),
    probabilityPermille: milli(Math.exp(logs[index]! - best) / sum),
  }));
}
