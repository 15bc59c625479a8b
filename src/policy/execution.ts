import type { Address, Hex } from "viem";

import type { Call } from "../core/operation.ts";
import { refusal, type Refusal } from "./refusal.ts";

/** `execute(bytes32,bytes)` of ERC-7579, and the two modes an agent may use. */
export const executeSelector = "e9ae5c53";
const singleMode = "00".repeat(32);
const batchMode = `01${"00".repeat(31)}`;
/** Bytes in front of the second argument's content: selector, mode, offset, length. */
const headLength = 100;

export type Execution = { readonly batch: boolean; readonly calls: readonly Call[] };

/** The callData of one call, or with `batch` of several, in the only encoding that the law reads. */
export function encodeExecution({ batch, calls }: Execution): Hex {
  const content = batch ? encodeBatch(calls) : encodeSingle(calls[0]!);
  return `0x${executeSelector}${batch ? batchMode : singleMode}${word(64n)}${word(content.length / 2)}${padded(content)}`;
}

/** Twin of `Rules._execution` and `Rules._batch`: what a kind 4 operation calls, or why it can't be told. */
export function readExecution(callData: Hex): Execution | Refusal {
  const hex = callData.slice(2).toLowerCase();
  const bytes = hex.length / 2;
  const denied = refusal("CallNotAllowed");
  if (bytes < headLength || !hex.startsWith(executeSelector) || wordAt(hex, 36) !== 64n) return denied;
  const mode = hex.slice(8, 72);
  const length = wordAt(hex, 68);
  if (
    (mode !== singleMode && mode !== batchMode) ||
    bytes !== headLength + Math.ceil(Number(length) / 32) * 32 ||
    (mode === singleMode && length < 52n)
  )
    return denied;
  const content = hex.slice(headLength * 2, (headLength + Number(length)) * 2);
  if (mode === batchMode) return readBatch(content);
  return {
    batch: false,
    calls: [
      {
        to: `0x${content.slice(0, 40)}`,
        valueWei: BigInt(`0x${content.slice(40, 104)}`),
        data: `0x${content.slice(104)}`,
      },
    ],
  };
}

/** The 32-byte word at a byte of hex without prefix. The caller knows that it is there. */
export const wordAt = (hex: string, at: number): bigint => BigInt(`0x${hex.slice(at * 2, at * 2 + 64)}`);

const word = (value: bigint | number): string => value.toString(16).padStart(64, "0");
const padded = (hex: string): string => hex.padEnd(Math.ceil(hex.length / 64) * 64, "0");

const encodeSingle = ({ to, valueWei, data }: Call): string =>
  `${to.slice(2).toLowerCase()}${word(valueWei)}${data.slice(2).toLowerCase()}`;

/** abi.encode(Execution[]). */
function encodeBatch(calls: readonly Call[]): string {
  const tuples = calls.map(({ to, valueWei, data }) => {
    const content = data.slice(2).toLowerCase();
    return `${word(BigInt(to))}${word(valueWei)}${word(96n)}${word(content.length / 2)}${padded(content)}`;
  });
  let offset = calls.length * 32;
  const offsets = tuples.map((tuple) => {
    const here = word(offset);
    offset += tuple.length / 2;
    return here;
  });
  return `${word(32n)}${word(calls.length)}${offsets.join("")}${tuples.join("")}`;
}

/**
 * The calls of a batch whose bytes are exactly those that encoding them gives. Where they are not, Solidity finds it out
 * by encoding anew (`CallNotAllowed`) or on the way, without a word: which of the two depends on what else is in the
 * transaction, so it is `CallNotAllowed` here in either case.
 */
function readBatch(content: string): Execution | Refusal {
  const bytes = BigInt(content.length / 2);
  const undecodable = refusal("ERC7579DecodingError");
  if (bytes < 32n) return undecodable;
  const arrayAt = wordAt(content, 0);
  if (arrayAt > bytes - 32n) return undecodable;
  const count = wordAt(content, Number(arrayAt));
  if (bytes - arrayAt - 32n < count * 32n) return undecodable;

  const calls: Call[] = [];
  let at = 64 + Number(count) * 32;
  for (let index = 0n; index < count; index++) {
    if ((at + 128) * 2 > content.length) return refusal("CallNotAllowed");
    const length = wordAt(content, at + 96);
    const data = content.slice((at + 128) * 2, (at + 128 + Number(length)) * 2);
    const to: Address = `0x${content.slice((at + 12) * 2, (at + 32) * 2)}`;
    calls.push({ to, valueWei: wordAt(content, at + 32), data: `0x${data}` });
    at += 128 + Math.ceil(Number(length) / 32) * 32;
  }
  return encodeBatch(calls) === content ? { batch: true, calls } : refusal("CallNotAllowed");
}
