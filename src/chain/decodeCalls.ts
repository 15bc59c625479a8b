import { decodeAbiParameters, decodeFunctionData, size, sliceHex, hexToBigInt, type Hex } from "viem";

import type { Call } from "../core/operation.ts";
import { batchParameter, executeAbi } from "./executeForm.ts";

/** The calls that an operation's callData makes, back from `encodeCalls`; undefined when it is no `execute` of that form. */
export function decodeCalls(callData: Hex): readonly Call[] | undefined {
  if (callData === "0x") return [];
  try {
    const [mode, execution] = decodeFunctionData({ abi: executeAbi, data: callData }).args;
    if (BigInt(mode) !== 0n) return decodeAbiParameters([batchParameter], execution)[0];
    return [
      {
        to: sliceHex(execution, 0, 20),
        valueWei: hexToBigInt(sliceHex(execution, 20, 52)),
        data: size(execution) > 52 ? sliceHex(execution, 52) : "0x",
      },
    ];
  } catch {
    return undefined;
  }
}
