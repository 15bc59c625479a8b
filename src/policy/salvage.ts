import type { $ZodIssue } from "zod/v4/core";

import type { ClausePath } from "./mistakes.ts";
import { policySchema, type PolicyDocument } from "./schema.ts";

type Salvaged = {
  readonly document: PolicyDocument;
  /** A mistake's path in the document that was written; undefined when the mistake may be one of the repair. */
  readonly writtenPath: (path: ClausePath) => ClausePath | undefined;
};

/** Harmless values in the place of top-level clauses of a wrong form. */
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

/** Entries in the place of those of a wrong form, so that their names stay known: addresses that nobody has twice. */
const stand = (section: string, count: number): unknown => {
  const address = `0x${(0xdead0000 + count).toString(16).padStart(40, "0")}`;
  if (section === "tokens") return { address, decimals: 18 };
  return section === "payees" ? { address, contract: true } : { address };
};
const standInName = (section: string, count: number) => `${section === "tokens" ? "X" : "x"}${count}`;
const registries: ReadonlySet<string> = new Set(["tokens", "payees", "contracts", "approvers", "guardians"]);

/**
 * A document of a wrong form with its wrong parts replaced, so that what is wrong in the meaning of the others can be
 * told at the same time. Undefined when too little is left. Nothing of it is ever applied.
 */
export function salvage(value: unknown, issues: readonly $ZodIssue[]): Salvaged | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const repaired = structuredClone(value) as Record<string, unknown>;
  /** Clauses that were replaced: `limits.0`, `payees.acme`, `gas`. */
  const replaced = new Set<string>();
  const dropped = new Map<string, Set<number>>();
  for (const [count, issue] of issues.entries()) {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    if (unknown.length > 0) {
      const parent = at(repaired, issue.path);
      for (const key of unknown) if (parent) delete parent[key];
      continue;
    }
    const [section, entry] = issue.path.map(String);
    if (section === undefined) return undefined;
    const inside = at(repaired, [section]);
    replaced.add(entry === undefined ? section : `${section}.${entry}`);
    if (entry !== undefined && registries.has(section) && inside) {
      delete inside[entry];
      inside[issue.code === "invalid_key" ? standInName(section, count) : entry] = stand(section, count);
    } else if (entry !== undefined && Array.isArray(inside))
      dropped.set(section, (dropped.get(section) ?? new Set()).add(Number(entry)));
    else if (section in harmless) {
      repaired[section] = harmless[section];
      replaced.add(section);
    } else delete repaired[section];
  }
  for (const [section, indices] of dropped)
    repaired[section] = (repaired[section] as unknown[]).filter((_, index) => !indices.has(index));
  if ((repaired["calls"] as readonly unknown[] | undefined)?.length === 0) delete repaired["calls"];
  const parsed = policySchema.safeParse(repaired);
  if (!parsed.success) return undefined;
  return {
    document: parsed.data,
    writtenPath: (path) => {
      const whole = written(path, dropped);
      return isOwn(whole, replaced) ? whole : undefined;
    },
  };
}

/** Counts the dropped entries of a list again. */
function written(path: ClausePath, dropped: ReadonlyMap<string, ReadonlySet<number>>): ClausePath {
  const [section, index, ...rest] = path;
  if (section === undefined || typeof index !== "number") return path;
  const gone = dropped.get(String(section));
  let place = -1;
  for (let left = index; left >= 0; place++) if (!gone?.has(place + 1)) left--;
  return [section, place, ...rest];
}

/** A mistake in, or because of, a clause that was replaced is not told: its form comes first. */
function isOwn(path: ClausePath, replaced: ReadonlySet<string>): boolean {
  const [section = "", entry] = path.map(String);
  const missing = (name: string) =>
    [...replaced].some((clause) => clause === name || clause.startsWith(`${name}.`));
  if (replaced.has(section) || replaced.has(`${section}.${entry}`)) return false;
  if (section === "calls" && path[2] === "counts") return !missing("limits");
  if (section === "calls") return !["tokens", "payees", "contracts"].some((name) => replaced.has(name));
  if (section === "limits") return !["tokens", "payees", "approvers"].some((name) => replaced.has(name));
  return true;
}

function at(value: unknown, path: readonly PropertyKey[]): Record<PropertyKey, unknown> | undefined {
  let node = value;
  for (const part of path) {
    if (typeof node !== "object" || node === null) return undefined;
    node = (node as Record<PropertyKey, unknown>)[part];
  }
  return typeof node === "object" && node !== null ? (node as Record<PropertyKey, unknown>) : undefined;
}
