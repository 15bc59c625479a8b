import { encodeFunctionData, getAbiItem, toFunctionSelector, type Address, type Hex } from "viem";

import type { Call } from "../core/operation.ts";
import { permissionSpenderAbi } from "./abi/permissionSpender.ts";

/** Selector of `spend` of IPermissionSpender. */
export const permissionSpendSelector: Hex = toFunctionSelector(
  getAbiItem({ abi: permissionSpenderAbi, name: "spend" }),
);

/**
 * Pays under a wallet's permission: a call that an AgentAccount makes in a batch.
 *
 * @param spender the agent's PermissionSpender
 * @param permission who gave it, for which token, and the bytes that the wallet answered
 * @param amountUnits base units of the token
 */
export const permissionSpendCall = (
  spender: Address,
  permission: { readonly account: Address; readonly token: Address; readonly context: Hex },
  payee: Address,
  amountUnits: bigint,
): Call => ({
  to: spender,
  valueWei: 0n,
  data: encodeFunctionData({
    abi: permissionSpenderAbi,
    functionName: "spend",
    args: [permission.account, permission.token, payee, amountUnits, permission.context],
  }),
});

/** Does a call spend under a wallet's permission? */
export const isPermissionSpend = ({ data }: Pick<Call, "data">): boolean =>
  data.startsWith(permissionSpendSelector);
