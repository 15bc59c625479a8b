import { encodeFunctionData, erc20Abi, type Address } from "viem";

import type { Call } from "../core/operation.ts";
import { nativeToken, type Token } from "./registry.ts";

/** The one call that pays somebody: an ERC-20 `transfer`, or native coin without data. */
export function paymentCall(token: Pick<Token, "address">, to: Address, units: bigint): Call {
  if (token.address === nativeToken.address) return { to, valueWei: units, data: "0x" };
  return {
    to: token.address,
    valueWei: 0n,
    data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, units] }),
  };
}
