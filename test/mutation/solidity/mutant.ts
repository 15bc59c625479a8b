/** Where in a file something stands, in bytes. Sources are held as one character per byte, as the compiler counts. */
export type Range = { readonly start: number; readonly end: number };

/** What kind of code a switch has to be put around. "alone": nothing can be, this mutant is compiled by itself. */
export type Place = "expression" | "statement" | "assembly expression" | "assembly statement" | "alone";

/** One change of one file. */
export type Mutant = {
  readonly file: string;
  /** What was done, in a word or two. */
  readonly operator: string;
  readonly at: Range;
  /** What stands there then. */
  readonly text: string;
  readonly place: Place;
  /** What the switch is put around: encloses `at`. */
  readonly site: Range;
};

/** A mutant with the number that switches it on, and where a reader finds it. */
export type Numbered = Mutant & { readonly id: number; readonly line: number; readonly before: string };

export type AstNode = {
  readonly nodeType: string;
  readonly src: string;
  readonly [key: string]: unknown;
};

export const isNode = (value: unknown): value is AstNode =>
  typeof value === "object" && value !== null && "nodeType" in value && "src" in value;

/** Nodes that stand in a node, in the order of the compiler. */
export function childrenOf(node: AstNode): readonly AstNode[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

export function rangeOf(node: AstNode): Range {
  const [start, length] = node.src.split(":").map(Number) as [number, number];
  return { start, end: start + length };
}

/** The numbers beside a number: one more, and one less. Hexadecimal ones keep their width, which is their type. */
export function neighbours(literal: string): readonly string[] {
  const digits = literal.replaceAll("_", "");
  if (!/^(0x[0-9a-fA-F]+|\d+)$/.test(digits)) return [];
  const value = BigInt(digits);
  const written = (changed: bigint): string =>
    digits.startsWith("0x") ? `0x${changed.toString(16).padStart(digits.length - 2, "0")}` : String(changed);
  return value > 0n ? [written(value + 1n), written(value - 1n)] : [written(1n)];
}

/** The source with one change. */
export const changed = (source: string, { at, text }: Pick<Mutant, "at" | "text">): string =>
  source.slice(0, at.start) + text + source.slice(at.end);
