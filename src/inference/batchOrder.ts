import type { BatchItem, PrioritizedBatchItem } from "node-llama-cpp";

/**
 * Which rows may be evaluated in one batch, when several sequences have something to evaluate.
 * mixed: whatever fits. answers: the next tokens of several answers together, each prompt by itself. alone: one sequence at a time.
 * With "answers" and Q8_0 weights, and with "alone" always, a run computes the same bits as if nobody were beside it (measured:
 * docs/inference.md). A prompt in company would be cut into other pieces, and other pieces are other kernels.
 */
export type Company = "mixed" | "answers" | "alone";

/**
 * How often a batch is put off for an answer that is about to come back. The binding asks for the next batch a few microtasks before
 * the last of the sampled tokens is handed in again, so without this 8 sequences settle at batches of 7 and 4 at 3, which the kernels
 * for 4 and 8 rows are not for (measured: 1.6 to 1.9 times the CPU time). Each time costs a microsecond or so.
 */
const MOST_WAITS = 64;

/**
 * Tokens of prompts that are evaluated in a row while answers wait. Prompts go first, because answers are cheapest when all of them
 * are in one batch; without an end a stream of prompts would stop every answer.
 */
const MOST_PROMPT_TOKENS = 4096;

type Ask = { readonly items: readonly BatchItem[]; readonly size: number };

/**
 * The order in which one context evaluates what its sequences have to evaluate. Prompts go first, up to a limit.
 *
 * @param runs how many runs are under way, whatever they are at
 */
export function batchOrder(company: Company, runs: () => number): (ask: Ask) => PrioritizedBatchItem[] {
  let waits = 0;
  let promptTokens = 0;

  const whole = (items: readonly BatchItem[]): PrioritizedBatchItem[] =>
    items.map((item) => ({ item, processAmount: item.tokens.length }));

  return ({ items, size }) => {
    const answers = items.filter(({ tokens }) => tokens.length === 1).slice(0, size);
    const prompts = items.filter(({ tokens }) => tokens.length > 1);
    if (company === "alone") {
      // First come, first served; whoever was served comes back at the end.
      const [first] = items;
      return first === undefined ? [] : [{ item: first, processAmount: Math.min(size, first.tokens.length) }];
    }
    if (answers.length + prompts.length < runs() && waits < MOST_WAITS) {
      waits++;
      return [];
    }
    waits = 0;
    if (company === "mixed") return [...whole(answers), ...fill(prompts, size - answers.length)];
    const [prompt] = prompts;
    if (prompt !== undefined && (promptTokens < MOST_PROMPT_TOKENS || answers.length === 0)) {
      const processAmount = Math.min(size, prompt.tokens.length);
      promptTokens += processAmount;
      return [{ item: prompt, processAmount }];
    }
    promptTokens = 0;
    return whole(answers);
  };
}

function fill(prompts: readonly BatchItem[], size: number): PrioritizedBatchItem[] {
  const taken: PrioritizedBatchItem[] = [];
  let left = size;
  for (const item of prompts) {
    if (left === 0) break;
    const processAmount = Math.min(left, item.tokens.length);
    taken.push({ item, processAmount });
    left -= processAmount;
  }
  return taken;
}
