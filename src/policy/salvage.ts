import type { $ZodIssue } from "zod/v4/core";

import type { ClausePath } from "./mistakes.ts";
import { policySchema, type PolicyDocument } from "./schema.ts";

type Node = { [key: PropertyKey]: unknown };
type Salvaged = {
  readonly document: PolicyDocument;
  /** A mistake's path in the document that was written; undefined when the mistake may be one of the repair. */
  readonly writtenPath: (path: ClausePath) => ClausePath | undefined;
};

/** Harmless values in the place of top-level clauses of a wrong form; what is not here may be missing. */
const harmless: Readonly<Record<string, unknown>> = {
  policy: "policy",
  version: 1,
  chain: 1,
  tokens: {},
  payees: {},
  limits: [],
  gas: { budget: "0 ETH", perOperation: "0 ETH" },
  expires: "2100-01-01T00:00:00Z",
};

/** What clauses refer to: with one of these replaced as a whole, their mistakes may come of that. */
const refersTo: Readonly<Record<string, readonly string[]>> = {
  calls: ["tokens", "payees", "contracts"],
  limits: ["tokens", "payees", "approvers"],
  accountCaps: ["tokens"],
};

/** An entry in the place of one of a wrong form, so that its name stays known: at an address that nobody has, or has twice. */
const standIn: Readonly<Record<string, (address: string) => unknown>> = {
  // As many decimals as an amount may have.
  tokens: (address) => ({ address, decimals: 36 }),
  payees: (address) => ({ address, contract: true }),
  contracts: (address) => ({ address }),
  approvers: (address) => ({ address }),
  guardians: (address) => ({ address }),
};
const standInName = (section: string, count: number) =>
  section === "tokens" ? `STANDIN${count}` : `stand-in-${count}`;

/**
 * A document of a wrong form with its wrong parts replaced, so that what is wrong in the meaning of the others can be
 * told at the same time. Undefined if its form is still wrong, as it never was of any document yet. Nothing of it is
 * ever applied.
 */
export function salvage(value: object, issues: readonly $ZodIssue[]): Salvaged | undefined {
  const repaired = structuredClone(value) as Record<string, unknown>;
  /** Sections that were replaced as a whole. */
  const replaced = new Set<string>();
  const dropped = new Map<string, Set<number>>();
  const replace = (section: string) => {
    if (section in harmless) repaired[section] = harmless[section];
    else delete repaired[section];
  };
  for (const [count, issue] of issues.entries()) {
    if (issue.code === "unrecognized_keys") {
      const parent = issue.path.reduce<Node | undefined>((node, part) => node?.[part] as Node, repaired);
      for (const key of issue.keys) delete parent?.[key];
      continue;
    }
    // The document itself is an object, so whatever else is wrong stands under one of its keys.
    const [section, entry] = issue.path.map(String) as [string, string?];
    const inside = repaired[section];
    if (entry !== undefined && section in standIn) {
      const entries = inside as Record<string, unknown>;
      delete entries[entry];
      entries[issue.code === "invalid_key" ? standInName(section, count) : entry] = standIn[section]!(
        `0xdead${String(count).padStart(36, "0")}`,
      );
    } else if (entry !== undefined && Array.isArray(inside))
      dropped.set(section, (dropped.get(section) ?? new Set()).add(Number(entry)));
    else {
      replace(section);
      replaced.add(section);
    }
  }
  /** Places in the document that was written, of the entries that are left of a list. */
  const places = new Map<string, readonly number[]>();
  for (const [section, gone] of dropped) {
    const list = repaired[section] as readonly unknown[];
    const left = [...list.keys()].filter((place) => !gone.has(place));
    places.set(section, left);
    if (left.length > 0) repaired[section] = left.map((place) => list[place]);
    else replace(section);
  }
  const parsed = policySchema.safeParse(repaired);
  if (!parsed.success) return undefined;
  return {
    document: parsed.data,
    writtenPath: (path) => {
      if (mayComeOf(path, replaced, new Set([...replaced, ...dropped.keys()]))) return undefined;
      const [section, index, ...rest] = path;
      const place = places.get(String(section))?.[Number(index)];
      return place === undefined ? path : [section!, place, ...rest];
    },
  };
}

/** May it be a mistake only because sections were replaced as a whole, or `touched` at all? */
function mayComeOf(path: ClausePath, replaced: ReadonlySet<string>, touched: ReadonlySet<string>): boolean {
  const [section, _, part] = path.map(String) as [string, string?, string?];
  // The limit that counts a call, which may be one of those that are gone.
  if (part === "counts") return touched.has("limits");
  // Whether a limit is of any use, which its calls decide too.
  if (section === "limits" && (part === undefined || part === "perPayment") && touched.has("calls"))
    return true;
  return refersTo[section]?.some((name) => replaced.has(name)) ?? false;
}
