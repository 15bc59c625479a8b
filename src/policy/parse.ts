import { isMap, isScalar, isSeq } from "yaml";
import { zeroAddress } from "viem";
import type { $ZodIssue } from "zod/v4/core";

import { BaseError } from "../core/errors.ts";
import { compilePolicy } from "./compile.ts";
import { locateIn, rangeStart, type Locate } from "./locate.ts";
import { PolicyCompileError, type ClausePath } from "./mistakes.ts";
import { nearestKey } from "./nearestKey.ts";
import { salvage } from "./salvage.ts";
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
  constructor(source: string, found: readonly PolicyMistake[]) {
    const mistakes = found.toSorted((a, b) => a.line - b.line || a.column - b.column);
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

/** A text that is no YAML at all has a mistake in each line. */
const mostMistakes = 20;

/** What the YAML reader's codes mean here. */
const yamlWords: Readonly<Partial<Record<string, string>>> = {
  MULTIPLE_DOCS: "a file holds one policy: remove all from this line on",
  DUPLICATE_KEY: "this key stands here twice: keep one of the two",
  TAB_AS_INDENT: "tabs are not allowed as indentation: use spaces",
};

/**
 * Text (YAML 1.2 or JSON) to a policy document that compiles. Reports every mistake at once, each with line and column:
 * those of form first, then those of meaning.
 *
 * @throws PolicyError
 */
export function parsePolicy(text: string, source = "policy"): PolicyDocument {
  const { document, at, locate } = locateIn(text);
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0)
    throw new PolicyError(
      source,
      broken.slice(0, mostMistakes).map((error) => ({
        ...at(error.pos[0]),
        path: "",
        words: yamlWords[error.code] ?? error.message.split("\n")[0]!.replace(/ at line.*$/, ""),
      })),
    );
  // An alias would let one line change the meaning of another far away; a person reading the file would not see it.
  const anchor = findAnchor(document.contents);
  if (anchor !== undefined)
    throw new PolicyError(source, [
      { ...at(anchor), path: "", words: "anchors, aliases and tags are not allowed: write the value out" },
    ]);
  // Another version of YAML reads other values out of the same text.
  if (document.directives?.yaml.explicit)
    throw new PolicyError(source, [
      { ...at(0), path: "", words: "directives are not allowed: the language is YAML 1.2" },
    ]);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new PolicyError(source, [
      { ...at(0), path: "", words: "it holds no policy: begin with `policy: a-name`, see docs/policies.md" },
    ]);
  const parsed = policySchema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    const { issues } = parsed.error;
    const salvaged = salvage(value, issues);
    throw new PolicyError(source, [
      ...issues.flatMap((issue) => mistakesOf(issue, locate)),
      ...(salvaged ? mistakesOfMeaning(salvaged.document, locate, salvaged.writtenPath) : []),
    ]);
  }
  const { $schema: _, ...policy } = parsed.data;
  const mistakes = mistakesOfMeaning(policy, locate, (path) => path);
  if (mistakes.length > 0) throw new PolicyError(source, mistakes);
  return deepFreeze(policy);
}

/** What keeps the document from the chain, whoever the agent is. */
function mistakesOfMeaning(
  policy: PolicyDocument,
  locate: Locate,
  writtenPath: (path: ClausePath) => ClausePath | undefined,
): readonly PolicyMistake[] {
  try {
    compilePolicy(policy, zeroAddress);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyCompileError)) throw error;
    return error.mistakes.flatMap(({ path: compiledPath, words, remedy }) => {
      const path = writtenPath(compiledPath);
      return path ? [{ ...locate(path), path: path.join("."), words: `${words} ${remedy}` }] : [];
    });
  }
}

function mistakesOf(issue: $ZodIssue, locate: Locate): readonly PolicyMistake[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      ...locate([...issue.path, key], true),
      path: [...issue.path, key].join("."),
      words: suggestion(key, issue.path),
    }));
  return [
    {
      ...locate(issue.path, issue.code === "invalid_key"),
      path: issue.path.join("."),
      words: wordsOf(issue),
    },
  ];
}

/** What is wrong and what to write instead; the schema's own messages complete the sentence "has to be …". */
function wordsOf(issue: $ZodIssue): string {
  if (issue.code === "invalid_key") return issue.issues.map(wordsOf).join("; ");
  const isOurs = !/^(Invalid|Too (small|big))/.test(issue.message);
  if ("input" in issue && issue.input === undefined && issue.code !== "custom")
    return isOurs ? `is missing: add ${issue.message}` : "is missing: add it";
  if (isOurs) return `has to be ${issue.message}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

function suggestion(key: string, path: readonly PropertyKey[]): string {
  const near = nearestKey(path, key);
  return near ? `is not a key of a policy; did you mean "${near}"?` : "is not a key of a policy; remove it";
}

/** Where an anchor or a tag stands. An alias has its anchor before it, or is no YAML. */
function findAnchor(node: unknown): number | undefined {
  if ((isScalar(node) || isMap(node) || isSeq(node)) && (node.anchor ?? node.tag) !== undefined)
    return rangeStart(node) ?? 0;
  if (isMap(node))
    for (const item of node.items)
      for (const part of [item.key, item.value]) {
        const found = findAnchor(part);
        if (found !== undefined) return found;
      }
  if (isSeq(node))
    for (const item of node.items) {
      const found = findAnchor(item);
      if (found !== undefined) return found;
    }
  return undefined;
}

function deepFreeze<T>(value: T): T {
  // What is no object is frozen by itself.
  if (!Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value as object).forEach(deepFreeze);
  }
  return value;
}
