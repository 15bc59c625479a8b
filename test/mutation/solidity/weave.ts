import type { Numbered, Range } from "./mutant.ts";

/**
 * All mutants of a file in one piece of code: each stands beside the original behind a switch, `MUTANT == 17`, so that a file is
 * compiled once and not once for each of its mutants. MUTANT is a constant that no mutant has; to turn one on, its 32 bytes in
 * the compiled code are overwritten (`switchOn`). Without an optimizer nobody evaluates the comparison beforehand.
 */
export function weave(source: string, mutants: readonly Numbered[]): string {
  const sites = sitesOf(mutants);
  const woven = wovenRange(source, { start: 0, end: source.length }, sites, mutants);
  const declared = `\nuint256 constant ${NAME} = 0x${MAGIC};\n`;
  const imports = [...woven.matchAll(/^(?:import [^;]*|pragma [^;]*);/gm)].at(-1)!;
  const at = imports.index + imports[0].length;
  return woven.slice(0, at) + declared + woven.slice(at);
}

const NAME = "MUTANT";
/** keccak256("which mutant"), more or less: 32 bytes that stand nowhere else. */
const MAGIC = "b7a1d3f95c0e4826a9d47be31f6058c2e4097dab35f16c8890d2ea647b13c5fe";

/** The code of one mutant. */
export const switchOn = (code: string, id: number): string =>
  code.replaceAll(MAGIC, id.toString(16).padStart(64, "0"));

/**
 * Mutants that do not compile: the one in whose change an error of the compiler lies, else all of the switch that it points at
 * or into. `at` are bytes of the woven source.
 */
export function blamed(woven: string, at: Range, mutants: readonly Numbered[]): readonly Numbered[] {
  const open: string[] = [];
  const inside: string[] = [];
  let depth = 0;
  for (const { index, 1: way, 2: mark } of woven.matchAll(/\/\*([<>])(s?\d+)\*\//g)) {
    if (index >= at.end) break;
    if (index < at.start) {
      if (way === "<") open.push(mark!);
      else open.pop();
    } else if (way === "<") {
      if (depth === 0) inside.push(mark!);
      depth += 1;
    } else if (depth > 0) depth -= 1;
  }
  const marks =
    open.at(-1)?.startsWith("s") === false ? open.slice(-1) : inside.length > 0 ? inside : open.slice(-1);
  const sites = mutants.filter(({ id }) => marks.includes(`s${id}`)).map(keyOf);
  const suspects = mutants.filter(
    (mutant) => marks.includes(`${mutant.id}`) || sites.includes(keyOf(mutant)),
  );
  // A word without its mask is of another type than the word with it.
  const masks = suspects.filter(({ operator }) => operator === "mask removed");
  return masks.length > 0 ? masks : suspects;
}

const keyOf = ({ site }: Numbered): string => `${site.start}-${site.end}`;

/** From the outside in, in the order of the source. */
const sitesOf = (mutants: readonly Numbered[]): readonly Range[] =>
  [...new Map(mutants.map((mutant) => [keyOf(mutant), mutant.site])).values()].sort(
    (a, b) => a.start - b.start || b.end - a.end,
  );

function wovenRange(
  source: string,
  range: Range,
  sites: readonly Range[],
  mutants: readonly Numbered[],
): string {
  let text = "";
  let at = range.start;
  for (let index = 0; index < sites.length; index++) {
    const site = sites[index]!;
    if (site.start < at) continue;
    const inner = sites.slice(index + 1).filter(({ start, end }) => start >= site.start && end <= site.end);
    text += source.slice(at, site.start) + wovenSite(source, site, inner, mutants);
    at = site.end;
  }
  return withPicks(text + source.slice(at, range.end), range, source);
}

/** Assembly has no `?:`, so each block gets a function for it. */
function withPicks(text: string, range: Range, source: string): string {
  if (range.start !== 0 || range.end !== source.length) return text;
  return text.replaceAll(
    /assembly \("memory-safe"\) \{/g,
    "$& function pick_(is_, this_, that_) -> r_ { r_ := that_ if is_ { r_ := this_ } }",
  );
}

function wovenSite(
  source: string,
  site: Range,
  inner: readonly Range[],
  mutants: readonly Numbered[],
): string {
  const here = mutants.filter((mutant) => mutant.site.start === site.start && mutant.site.end === site.end);
  let text = wovenRange(source, site, inner, mutants);
  for (const mutant of here) text = switched(mutant, insteadOf(source, mutant), text);
  return `/*<s${here[0]!.id}*/${text}/*>s${here[0]!.id}*/`;
}

const insteadOf = (source: string, { site, at, text }: Numbered): string =>
  source.slice(site.start, at.start) + text + source.slice(at.end, site.end);

function switched({ place, id }: Numbered, instead: string, otherwise: string): string {
  const text = instead === ";" ? "" : `/*<${id}*/${instead}/*>${id}*/`;
  switch (place) {
    case "expression":
      return `(${NAME} == ${id} ? ${text} : ${otherwise})`;
    case "statement":
      return `{ if (${NAME} == ${id}) { ${text} } else { ${otherwise} } }`;
    case "assembly expression":
      return `pick_(eq(${NAME}, ${id}), ${text}, ${otherwise})`;
    case "assembly statement":
      return `if iszero(eq(${NAME}, ${id})) { ${otherwise} }`;
    case "alone":
      throw new Error("No switch goes around this mutant.");
  }
}
