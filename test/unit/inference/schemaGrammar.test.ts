import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { InvalidRequestError } from "../../../src/inference/errors.ts";
import { patternGrammar } from "../../../src/inference/patternGrammar.ts";
import { rangeGrammar } from "../../../src/inference/rangeGrammar.ts";
import { schemaGrammar } from "../../../src/inference/schemaGrammar.ts";
import { gbnfToRegExp } from "../../doubles/gbnf.ts";

const matcher = (schema: z.ZodType) => gbnfToRegExp(schemaGrammar(schema));

/** Actions as developers declare them. */
const action = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("buy"),
    token: z.enum(["WETH", "WBTC"]),
    amount: z.string().regex(/^(0|[1-9]\d{0,11})(\.\d{1,18})?$/),
    slippageBps: z.int().min(1).max(250),
    limit: z.nullable(z.string().regex(/^\d{1,6}\.\d\d$/)),
    note: z.string().max(12).optional(),
    urgent: z.boolean().optional(),
  }),
  z.strictObject({ action: z.literal("hold"), reason: z.enum(["unclear", "no-signal"]) }),
  z.strictObject({
    action: z.literal("split"),
    parts: z
      .array(z.strictObject({ to: z.enum(["a", 'b "quoted"']), share: z.int().min(-5).max(100) }))
      .min(2)
      .max(3),
  }),
]);

describe("a grammar made of a schema", () => {
  const grammar = matcher(action);

  test.each([
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":250,"limit":null}',
    '{"action":"buy","token":"WBTC","amount":"12","slippageBps":1,"limit":"10.00","note":"a \\"b\\" \\\\ \\n","urgent":true}',
    '{"action":"buy","token":"WBTC","amount":"12","slippageBps":99,"limit":"10.00","urgent":false}',
    '{"action":"hold","reason":"no-signal"}',
    '{"action":"split","parts":[{"to":"a","share":-5},{"to":"b \\"quoted\\"","share":100}]}',
  ])("takes %s", (text) => {
    expect(action.safeParse(JSON.parse(text)).success).toBe(true);
    expect(text).toMatch(grammar);
  });

  test.each([
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":251,"limit":null}',
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":0,"limit":null}',
    '{"action":"buy","token":"WETH","amount":"00.5","slippageBps":5,"limit":null}',
    '{"action":"buy","token":"WETH","amount":".5","slippageBps":5,"limit":null}',
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":5}',
    '{"action":"buy","token":"DOGE","amount":"0.5","slippageBps":5,"limit":null}',
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":5,"limit":null,"note":"thirteen char"}',
    '{"action":"buy","token":"WETH","amount":"0.5","slippageBps":5,"limit":null,"urgent":true,"note":"x"}',
    '{"action": "hold","reason":"unclear"}',
    '{"reason":"unclear","action":"hold"}',
    '{"action":"hold","reason":"unclear"} ',
    '{"action":"split","parts":[{"to":"a","share":1}]}',
    '{"action":"split","parts":[{"to":"a","share":-6},{"to":"a","share":1}]}',
  ])("does not take %s", (text) => {
    expect(text).not.toMatch(grammar);
  });

  test("takes only what the schema takes", () => {
    fc.assert(
      fc.property(fc.stringMatching(grammar), (text) => {
        expect(action.parse(JSON.parse(text))).toEqual(JSON.parse(text));
        expect(text).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  test("an object whose keys are all optional may be empty, and has its commas right", () => {
    const pattern = matcher(
      z.strictObject({ a: z.literal(1).optional(), b: z.literal(2).optional(), c: z.literal(3).optional() }),
    );
    for (const text of ["{}", '{"a":1}', '{"b":2}', '{"a":1,"c":3}', '{"b":2,"c":3}', '{"a":1,"b":2,"c":3}'])
      expect(text).toMatch(pattern);
    for (const text of ['{,"b":2}', '{"a":1,}', '{"b":2,"a":1}', '{"a":1"b":2}'])
      expect(text).not.toMatch(pattern);
  });

  test.each<readonly [string, z.ZodType, RegExp]>([
    ["text without an end", z.strictObject({ memo: z.string() }), /memo is text without an end: add \.max/],
    ["a list without an end", z.array(z.boolean()), /the schema is a list without an end/],
    ["a float", z.strictObject({ price: z.number() }), /price is a float/],
    ["anything", z.strictObject({ any: z.unknown() }), /any may be anything/],
    ["keys of its own choice", z.record(z.string(), z.boolean()), /keys of its own choice/],
    ["a lookahead", z.string().regex(/^(?=a)a$/), /pattern that no grammar can hold/],
    ["a pattern that is found anywhere", z.string().regex(/[0-9]/), /pattern that no grammar can hold/],
    [
      "a pattern longer than its max",
      z
        .string()
        .regex(/^[a-z]{1,9}$/)
        .max(8),
      /takes 1 to 9 characters/,
    ],
    [
      "a pattern shorter than its min",
      z
        .string()
        .regex(/^[a-z]{1,9}$/)
        .min(2),
      /takes 1 to 9 characters/,
    ],
    [
      "two ends that share one max",
      z
        .string()
        .regex(/^[a-z]+-[a-z]+$/)
        .max(8),
      /takes 3 to 17 characters/,
    ],
    ["what JSON does not know", z.strictObject({ at: z.date() }), /at may be anything, or is nothing/],
    ["a float among literals", z.strictObject({ rate: z.literal([1, 1.5]) }), /rate is a float/],
    ["text that has no length", z.string().min(4).max(3), /minimum above its maximum/],
    ["a list that has no length", z.array(z.boolean()).min(4).max(3), /minimum above its maximum/],
    ["a multiple", z.strictObject({ n: z.int().multipleOf(5) }), /n uses multipleOf/],
    ["no number at all", z.int().min(5).max(4), /minimum above its maximum/],
  ])("refuses %s and says what to write", (_name, schema, said) => {
    expect(() => schemaGrammar(schema)).toThrow(InvalidRequestError);
    expect(() => schemaGrammar(schema)).toThrow(said);
  });
});

test("whole numbers between any two bounds are taken, and no others", () => {
  const bound = fc.bigInt(-123_456n, 123_456n);
  fc.assert(
    fc.property(bound, bound, fc.array(bound, { minLength: 20, maxLength: 20 }), (a, b, others) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const pattern = gbnfToRegExp(`root ::= ${rangeGrammar(low, high)}`);
      for (const value of [low, high, low - 1n, high + 1n, (low + high) / 2n, 0n, ...others])
        expect([value, pattern.test(String(value))]).toEqual([value, value >= low && value <= high]);
      for (const text of ["", "-", "-0", "00", "01", "1e3", `${high}0${high}`])
        expect(text).not.toMatch(pattern);
    }),
  );
});

describe("a regular expression as a grammar takes the same texts", () => {
  test.each<readonly [RegExp, readonly string[], readonly string[]]>([
    [/^0x[0-9a-fA-F]{4}$/, ["0x00aF"], ["0x00a", "0x00aFF", "x00aF"]],
    [/^[a-z][a-z0-9-]{0,7}$/, ["a", "a-b-9"], ["", "-a", "abcdefghi"]],
    [/^(yes|no|may(be)?)$/, ["yes", "no", "may", "maybe"], ["maybebe", "y"]],
    [/^\w+\.\d{2,}$/, ["a_1.22", "b.123456"], [".22", "a.2"]],
    [/^[^,]{1,3}$/, ["a b", "é"], [",", "abcd", '"', "\\"]],
    [/^a?b*c+$/, ["c", "abbc", "acc"], ["ab", "abcb"]],
    [/^(?:\d{3}-)?\d{3}$/, ["123", "123-456"], ["123-", "1234"]],
    [/^\$\d+ \(net\)$/, ["$5 (net)"], ["5 (net)", "$ (net)"]],
    [/^[\^\]x-]$/, ["^", "]", "x", "-"], ["y"]],
    [/^((a|b)(c|d)){2}$/, ["acbd", "bdbd"], ["acc", "acd"]],
    [/^(?:(a)|(b))+$/, ["abba"], ["", "ac"]],
    [/^[\w-.]{3}$/, ["a-.", "_9."], ["a+."]],
    [/^x.*$/, ["x", "x y"], ["", "y"]],
  ])("%s", (pattern, taken, refused) => {
    const found = gbnfToRegExp(`root ::= ${patternGrammar(pattern.source)}`);
    for (const text of taken) {
      expect(text).toMatch(pattern);
      expect(text).toMatch(found);
    }
    for (const text of refused) expect(text).not.toMatch(found);
  });

  test.each([
    "(?!a)b",
    "(?<=a)b",
    "a(?=b)",
    String.raw`\bword\b`,
    String.raw`(a)\1`,
    "a*?",
    "[]",
    "[z-a]",
    "a{1,2000}",
    "(a",
    "[a",
    "a{2",
    String.raw`\p{L}`,
  ])("%s is refused", (pattern) => {
    expect(() => patternGrammar(`^${pattern}$`)).toThrow(InvalidRequestError);
  });

  test.each([
    /^[ -~]{0,4}$/,
    /^[\x20-\x7e]{1,4}$/,
    /^["'\\]{1,4}$/,
    /^\["\\]$/,
    // oxlint-disable-next-line no-control-regex
    /^[\x00-\x7f]{2}$/,
    /^(a"|b\\)[!-/]?$/,
  ])("%s: what JSON escapes is written escaped", (pattern) => {
    const schema = z.strictObject({ text: z.string().regex(pattern) });
    const grammar = matcher(schema);
    fc.assert(
      fc.property(fc.stringMatching(grammar), (text) => {
        expect(schema.safeParse(JSON.parse(text)).success).toBe(true);
      }),
    );
  });

  test.each<readonly [string, z.ZodString, readonly number[]]>([
    [
      "min and max",
      z
        .string()
        .regex(/^[a-z]+$/)
        .min(3)
        .max(5),
      [3, 5],
    ],
    [
      "the fixed part of the pattern",
      z
        .string()
        .regex(/^aaa[a-z]*a$/)
        .min(6)
        .max(9),
      [6, 9],
    ],
    [
      "pairs",
      z
        .string()
        .regex(/^(?:aa)*$/)
        .min(3)
        .max(7),
      [4, 6],
    ],
    [
      "length",
      z
        .string()
        .regex(/^[a-f]+$/)
        .length(4),
      [4, 4],
    ],
    [
      "more than the pattern asks for",
      z
        .string()
        .regex(/^[a-z]{2,}$/)
        .max(4),
      [2, 4],
    ],
  ])("lengths beside it are held: %s", (_name, schema, [from, to]) => {
    const grammar = matcher(schema);
    const taken = Array.from({ length: 12 }, (_none, length) => length).filter((length) =>
      grammar.test(JSON.stringify("a".repeat(length))),
    );
    expect([taken.at(0), taken.at(-1)]).toEqual([from, to]);
    for (const length of taken) expect(schema.safeParse("a".repeat(length)).success).toBe(true);
  });
});
