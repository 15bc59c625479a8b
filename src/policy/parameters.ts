import { parseAbiItem, toFunctionSelector, type AbiFunction, type AbiParameter, type Hex } from "viem";

import { mistake } from "./mistakes.ts";

/** One argument of a call: where its word stands behind the selector, or `null` when the caller chooses the place. */
export type Parameter = { readonly path: string; readonly type: string; readonly word: bigint | null };

/** A function as the chain sees it: its selector, and every argument that fills a word. */
export type CallSignature = {
  readonly name: string;
  readonly selector: Hex;
  readonly payable: boolean;
  readonly parameters: readonly Parameter[];
};

type Components = AbiParameter & { readonly components?: readonly AbiParameter[] };

/** `T[n]`, the outermost dimension of an array; n is missing when the array is dynamic. */
const arrayType = /^(.*)\[(\d*)\]$/;

/** Bound on what is written out of a fixed-size array or tuple. */
const mostWords = 1024;

/** 32-byte words in the head of the arguments; null: dynamic, so the head only holds an offset. */
function wordsIn(parameter: Components): number | null {
  const array = arrayType.exec(parameter.type);
  if (array) {
    const each = array[2] === "" ? null : wordsIn({ ...parameter, type: array[1]! });
    return each === null ? null : each * Number(array[2]);
  }
  if (parameter.type !== "tuple") return parameter.type === "bytes" || parameter.type === "string" ? null : 1;
  let words = 0;
  for (const component of parameter.components ?? []) {
    const inside = wordsIn(component);
    if (inside === null) return null;
    words += inside;
  }
  return words;
}

/** Static tuples and arrays are flattened into head words; what lies in a dynamic one has no fixed place. */
function flatten(parameters: readonly Components[], prefix: string, first: number | null): Parameter[] {
  const found: Parameter[] = [];
  let next = first;
  for (const [index, parameter] of parameters.entries()) {
    const path = `${prefix}${parameter.name || index}`;
    const words = wordsIn(parameter);
    const at = words === null ? null : next;
    const array = arrayType.exec(parameter.type);
    if (words !== null && words > mostWords)
      throw mistake(`${path} has ${words} words.`, `Allow a function of at most ${mostWords} words.`);
    if (array?.[2] && at !== null)
      found.push(
        ...flatten(
          Array.from({ length: Number(array[2]) }, () => ({
            ...parameter,
            type: array[1]!,
            // Known by its place.
            name: "",
          })),
          `${path}.`,
          at,
        ),
      );
    else if (parameter.type === "tuple") found.push(...flatten(parameter.components ?? [], `${path}.`, at));
    else found.push({ path, type: parameter.type, word: at === null ? null : BigInt(at) });
    if (next !== null) next += words ?? 1;
  }
  return found;
}

/**
 * A function signature as Solidity writes it, with `function` in front or without.
 *
 * @throws PolicyCompileError
 */
export function parseSignature(text: string): CallSignature {
  const signature = text.trim().startsWith("function ") ? text.trim() : `function ${text.trim()}`;
  const remedy =
    'Write it as Solidity does, e.g. "function deposit(uint256 assets, address receiver)"; write tuples out.';
  let item: AbiFunction;
  try {
    // The type of parseAbiItem reads literals at compile time; this text is only known at run time.
    item = (parseAbiItem as (signature: string) => AbiFunction)(signature);
  } catch (error) {
    const why =
      error instanceof Error ? error.message.split("\n")[0]!.replace(/\.$/, "") : "it can't be read";
    throw mistake(`"${text}" is not a function: ${why.charAt(0).toLowerCase()}${why.slice(1)}.`, remedy);
  }
  const parameters = flatten(item.inputs, "", 0);
  const twice = parameters.find(
    (one, index) => parameters.findIndex(({ path }) => path === one.path) !== index,
  );
  if (twice) throw mistake(`Two parameters are called ${twice.path}.`, "Give each its own name.");
  return {
    name: item.name,
    selector: toFunctionSelector(item),
    payable: item.stateMutability === "payable",
    parameters,
  };
}
