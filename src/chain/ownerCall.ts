import { encodeFunctionData, type Address, type EncodeFunctionDataParameters } from "viem";

import type { Call } from "../core/operation.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";

type OwnerFunction =
  | "grant"
  | "grantBySignature"
  | "replace"
  | "revoke"
  | "revokeAll"
  | "freeze"
  | "setGuardian"
  | "setCap"
  | "heartbeat";

/** One of the owner's functions of an account, as a call that any wallet can make. */
export const ownerCall = (
  account: Address,
  functionName: OwnerFunction,
  args: readonly unknown[] = [],
): Call => ({
  to: account,
  valueWei: 0n,
  data: encodeFunctionData({
    abi: agentAccountAbi,
    functionName,
    args,
  } as EncodeFunctionDataParameters<typeof agentAccountAbi>),
});
