import type { LlamaModel, Token } from "node-llama-cpp";
import { describe, expect, test } from "vitest";
import { closeThought, endOfThought, thoughtIn } from "../../../src/inference/thoughtSpan.ts";

// A model whose tokens are known beforehand: token n is the nth of these texts, and its tokenizer takes the longest that fits.

const VOCABULARY = [
  "a",
  "b",
  " ",
  "\n",
  "\n\n",
  "</think>",
  "</",
  "think",
  ">",
  ">\n",
  ">\n\n\n",
  "\n</think>\n\n",
];
const model = {
  detokenize: (tokens: readonly Token[]) => tokens.map((token) => VOCABULARY[token]).join(""),
  tokenizer(text: string): Token[] {
    const tokens: Token[] = [];
    for (let rest = text; rest !== "";) {
      const fits = VOCABULARY.filter((word) => rest.startsWith(word)).toSorted((a, b) => b.length - a.length);
      tokens.push(VOCABULARY.indexOf(fits[0]!) as Token);
      rest = rest.slice(fits[0]!.length);
    }
    return tokens;
  },
} as unknown as LlamaModel;
const syntax = { opening: "<think>\n", marker: "</think>", bridge: "\n</think>\n\n", empty: null };
const ids = (...words: readonly string[]) => words.map((word) => VOCABULARY.indexOf(word) as Token);
const forced = (...words: readonly string[]) => closeThought(model, syntax, ids(...words), "model").forced;

describe("the end", () => {
  test("is where the marker is complete, whatever tokens it comes in", () => {
    expect(endOfThought(model, syntax, ids("a", "</think>"), 9)).toBe("model");
    expect(endOfThought(model, syntax, ids("a", "</", "think", ">\n"), 9)).toBe("model");
    expect(endOfThought(model, syntax, ids("a", "</", "think"), 9)).toBeNull();
  });

  test("is the budget's when it is used up, unless the last token ends the thought", () => {
    expect(endOfThought(model, syntax, ids("a", "b"), 2)).toBe("budget");
    expect(endOfThought(model, syntax, ids("a", "</think>"), 2)).toBe("model");
  });
});

describe("what is put behind a thought", () => {
  test("is what the model has not written of the template's own", () => {
    expect(forced("a", "</think>")).toEqual(ids("\n\n"));
    expect(forced("a", "</", "think", ">\n")).toEqual(ids("\n"));
    // More than the template has: nothing is missing.
    expect(forced("a", "</", "think", ">\n\n\n")).toEqual([]);
  });

  test("is all of it when the thought was cut", () => {
    for (const end of ["budget", "turn"] as const)
      expect(closeThought(model, syntax, ids("a", "b"), end)).toEqual({
        span: { text: "ab", tokens: 2, forced: 1, end },
        forced: ids("\n</think>\n\n"),
      });
  });

  test("is no part of the thought's text, nor is its marker", () => {
    expect(closeThought(model, syntax, ids("a", "\n", "</think>"), "model").span).toEqual({
      text: "a\n",
      tokens: 3,
      forced: 1,
      end: "model",
    });
  });
});

describe("a recorded thought", () => {
  const output = [...ids("a", "b", "</think>", "\n\n"), ...ids("b")];
  const span = { text: "ab", tokens: 3, forced: 1, end: "model" } as const;
  const found = (changes: object, tokens: readonly number[] = output, maxTokens = 9) =>
    thoughtIn(model, syntax, tokens, { ...span, ...changes }, maxTokens);

  test("is found again", () => {
    expect(found({})).toEqual(span);
    expect(found({ text: "forged", forced: 7 })).toEqual(span);
  });

  test.each([
    ["ends sooner than it says", { tokens: 4 }, output, 9],
    ["has not ended there", { tokens: 2 }, output, 9],
    ["was not cut", { end: "budget" }, output, 9],
    ["did not want to end its turn", { end: "turn" }, output, 9],
    ["was longer than it might be", {}, output, 2],
    ["is longer than the output", { tokens: 9 }, output, 9],
    ["has nothing in it", { tokens: 0 }, output, 9],
    ["has something else behind it", {}, [...output.slice(0, 3), ...ids(" "), ...output.slice(4)], 9],
    ["has nothing behind it", {}, output.slice(0, 3), 9],
  ])("is none where it %s", (_name, changes, tokens, maxTokens) => {
    expect(found(changes, tokens, maxTokens)).toBeNull();
  });

  test("may be empty where the model wanted to end its turn at once", () => {
    const turn = { text: "", tokens: 0, forced: 1, end: "turn" } as const;
    expect(found(turn, [...ids("\n</think>\n\n"), 1])).toEqual(turn);
  });
});
