import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";
import type { $ZodIssue } from "zod/v4/core";

import { BaseError } from "../core/errors.ts";
import { policySchema, type PolicyDocument } from "./schema.ts";

/** One mistake in a policy document, with where it is and what to write instead. Lines and columns count from 1. */
export type PolicyMistake = {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly words: string;
};

/** A policy document that can't be used. Nothing of it is applied. */
export class PolicyError extends BaseError {
  override readonly name = "PolicyError";
  readonly mistakes: readonly PolicyMistake[];
  constructor(source: string, mistakes: readonly PolicyMistake[]) {
    const lines = mistakes.map(
      (m) => `  ${source}:${m.line}:${m.column}  ${m.path ? `${m.path}: ` : ""}${m.words}`,
    );
    super(
      `The policy ${source} has ${mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`}; nothing of it is applied.\n${lines.join("\n")}`,
      {
        remedy: "Mend the lines above and run the command again.",
      },
    );
    this.mistakes = mistakes;
  }
}

/**
 * Text (YAML 1.2 or JSON) to a policy document. Reports every mistake at once, each with line and column.
 *
 * @throws PolicyError
 */
export function parsePolicy(text: string, source = "policy"): PolicyDocument {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    uniqueKeys: true,
    strict: true,
    customTags: [],
    merge: false,
  });
  const at = (offset: number) => {
    const { line, col } = counter.linePos(Math.max(0, Math.min(offset, text.length)));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0)
    throw new PolicyError(
      source,
      broken.map((error) => ({
        ...at(error.pos[0]),
        path: "",
        words:
          error.code === "MULTIPLE_DOCS"
            ? "a file holds one policy: remove all from this line on"
            : error.message.split("\n")[0]!.replace(/ at line.*$/, ""),
      })),
    );
  // An alias would let one line change the meaning of another far away; a person reading the file would not see it.
  const alias = findAlias(document.contents);
  if (alias !== undefined)
    throw new PolicyError(source, [
      { ...at(alias), path: "", words: "anchors and aliases are not allowed: write the value out" },
    ]);
  const parsed = policySchema.safeParse(document.toJS({ maxAliasCount: 0 }), { reportInput: true });
  if (parsed.success) return deepFreeze(parsed.data);
  throw new PolicyError(
    source,
    parsed.error.issues.flatMap((issue) => mistakesOf(issue, document, at)),
  );
}

function mistakesOf(
  issue: $ZodIssue,
  document: Document,
  at: (offset: number) => { line: number; column: number },
): PolicyMistake[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      ...at(offsetOf(document, [...issue.path, key], true)),
      path: [...issue.path, key].join("."),
      words: suggestion(key, document, issue.path),
    }));
  const isKey = issue.code === "invalid_key";
  return [
    { ...at(offsetOf(document, issue.path, isKey)), path: issue.path.join("."), words: wordsOf(issue) },
  ];
}

function wordsOf(issue: $ZodIssue): string {
  if (issue.code === "invalid_key") return issue.issues.map(wordsOf).join("; ");
  if (issue.code === "invalid_type" && issue.input === undefined) return "is missing";
  if (issue.code === "invalid_format" || issue.code === "custom") return `has to be ${issue.message}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

const knownKeys = [
  "policy",
  "version",
  "chain",
  "tokens",
  "payees",
  "limits",
  "gas",
  "expires",
  "salt",
  "mail",
  "address",
  "decimals",
  "senders",
  "names",
  "perPayment",
  "perWindow",
  "window",
  "lifetime",
  "budget",
  "perOperation",
  "unauthenticated",
];

function suggestion(key: string, _document: Document, _path: readonly PropertyKey[]): string {
  const near = knownKeys.find(
    (known) => known.toLowerCase() === key.toLowerCase() || distance(known, key) <= 2,
  );
  return near ? `is not a key of a policy; did you mean "${near}"?` : "is not a key of a policy; remove it";
}

/** Levenshtein distance: short words only. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** Where a path stands in the text; the nearest ancestor that exists when it is missing. */
function offsetOf(document: Document, path: readonly PropertyKey[], key: boolean): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (!pair) return offset;
      const last = depth === path.length - 1;
      const target = last && key ? pair.key : (pair.value ?? pair.key);
      offset = rangeStart(target) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = rangeStart(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return (isScalar(node) || isMap(node) || isSeq(node)) && node.range ? node.range[0] : undefined;
}

function findAlias(node: unknown): number | undefined {
  if (isAlias(node)) return node.range?.[0] ?? 0;
  if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined)
    return rangeStart(node) ?? 0;
  if (isMap(node))
    for (const item of node.items)
      for (const part of [item.key, item.value]) {
        const found = findAlias(part);
        if (found !== undefined) return found;
      }
  if (isSeq(node))
    for (const item of node.items) {
      const found = findAlias(item);
      if (found !== undefined) return found;
    }
  return undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
