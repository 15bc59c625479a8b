import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { canonicalize, parseCanonical } from "../../../src/core/canonical.ts";
import type { Json } from "../../../src/core/json.ts";

/** Examples of RFC 8785 and of its author's test suite, without those that hold floats. */
const published: readonly (readonly [string, string])[] = [
  [
    String.raw`{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null, true, false]}`,
    `{"literals":[null,true,false],"string":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/"}`,
  ],
  ['[56,{"d":true,"10":null,"1":[ ]}]', '[56,{"1":[],"10":null,"d":true}]'],
  [
    String.raw`{"1":{"f":{"f":"hi","F":5},"\n":56.0},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}`,
    String.raw`{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}`,
  ],
  [
    '{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale"}',
    '{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale"}',
  ],
  ['{"Unnormalized Unicode":"A\u030a"}', '{"Unnormalized Unicode":"A\u030a"}'],
  [
    String.raw`{"\u20ac":"Euro Sign","\r":"Carriage Return","\u000a":"Newline","1":"One","\u0080":"Control\u007f","\ud83d\ude02":"Smiley","\u00f6":"Latin Small Letter O With Diaeresis","\ufb33":"Hebrew Letter Dalet With Dagesh","</script>":"Browser Challenge"}`,
    '{"\\n":"Newline","\\r":"Carriage Return","1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😂":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
];

const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.string({ unit: "grapheme" }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: "grapheme" }), tie("value"), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;

/** The same value with the keys of its outermost object the other way round. */
const reversed = (value: Json): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).reverse())
    : value;

describe("canonicalize", () => {
  it.each(published)("writes the published example %# as RFC 8785 does", (input, output) => {
    expect(canonicalize(JSON.parse(input) as Json)).toBe(output);
  });

  it("sorts keys by UTF-16 code units, so an emoji comes before a later letter of the same plane", () => {
    expect(canonicalize({ "\ufb33": 1, "😀": 2, a: 3, Z: 4, "10": 5, "9": 6 })).toBe(
      '{"10":5,"9":6,"Z":4,"a":3,"😀":2,"\ufb33":1}',
    );
  });

  it("gives text that means the same, and that is its own canonical form, whatever the order of the keys", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalize(value);
        expect(JSON.parse(text)).toEqual(value);
        expect(canonicalize(parseCanonical(text))).toBe(text);
        expect(canonicalize(reversed(value))).toBe(text);
      }),
    );
  });

  const holes: unknown[] = [];
  holes[2] = 1;
  it.each<readonly [string, unknown]>([
    ["a float", 1.5],
    ["minus zero", -0],
    ["an unsafe integer", 2 ** 53],
    ["an unsafe negative integer", -(2 ** 53)],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["a lone high surrogate", "\ud83d"],
    ["a lone low surrogate", "a\ude00"],
    ["a bigint", 1n],
    ["undefined", undefined],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["an array with holes", holes],
    ["a date", new Date(0)],
    ["a map", new Map([["a", 1]])],
    ["bytes", new Uint8Array([1])],
    ["an instance of a class", new (class Amount {})()],
  ])("refuses %s", (_, value) => {
    expect(() => canonicalize({ deep: [value] } as unknown as Json)).toThrow(/has no canonical form/);
  });

  it("refuses a key with a lone surrogate", () => {
    expect(() => canonicalize({ "\ud800": 1 })).toThrow(/lone surrogate/);
  });

  it("says where the value stands", () => {
    expect(() => canonicalize({ a: [0, { b: 0.1 }] })).toThrowErrorMatchingInlineSnapshot(`
      [NotCanonicalError: The value at .a[1].b has no canonical form: 0.1 is not a safe integer.
      Use strings, booleans, null, safe integers, arrays and plain objects; write amounts as decimal strings.]
    `);
  });

  it("takes an object without a prototype", () => {
    expect(canonicalize(Object.assign(Object.create(null) as object, { b: 1, a: 2 }) as Json)).toBe(
      '{"a":2,"b":1}',
    );
  });

  it("keeps a key named __proto__ like any other", () => {
    const text = '{"__proto__":{"a":1},"constructor":2}';
    expect(canonicalize(JSON.parse(text) as Json)).toBe(text);
  });
});

describe("parseCanonical", () => {
  it.each(['{"b":1,"a":2}', '{"a": 1}', '{"a":1,"a":1}', "1.0", "-0", '"\\u0041"', "[1 ]", '{"a":1}\n'])(
    "refuses %s, which is JSON in another form",
    (text) => {
      expect(() => parseCanonical(text)).toThrow(/canonical form/);
    },
  );
});
