import { decodeFunctionData, erc20Abi, getAddress, type Abi, type Hex } from "viem";

import { permissionSpenderAbi } from "../chain/abi/permissionSpender.ts";
import { spendGrantAbi } from "../chain/abi/spendGrant.ts";
import type { AskedCall } from "../core/approval.ts";

/**
 * What the calls of an ask pay, read out of their bytes, which the signature is over. The ask's words come from the journal: whoever has the
 * agent's machine can write other ones. Base units, because the journal's decimals could be others as well.
 *
 * @returns one sentence for each payment that is of a known form; calls of others have to be read as they are
 */
export const paymentsIn = (calls: readonly AskedCall[]): readonly string[] =>
  calls.flatMap(({ data, to, valueWei }) => [
    ...(valueWei === "0" ? [] : [`${valueWei} wei to ${getAddress(to)}`]),
    ...tokensIn(getAddress(to), data),
  ]);

function tokensIn(to: Hex, data: Hex): readonly string[] {
  const transfer = decoded(erc20Abi, data);
  if (transfer?.functionName === "transfer") {
    const [payee, units] = transfer.args as readonly [Hex, bigint];
    return [`${units} base units of the token ${to} to ${payee}`];
  }
  const spend = decoded(spendGrantAbi, data);
  if (spend?.functionName === "spend") {
    const [{ account, token }, payee, units] = spend.args as readonly [
      { readonly account: Hex; readonly token: Hex },
      Hex,
      bigint,
    ];
    return [`${units} base units of the token ${token} out of ${account} to ${payee}`];
  }
  const permitted = decoded(permissionSpenderAbi, data);
  if (permitted?.functionName === "spend") {
    const [account, token, payee, units] = permitted.args as readonly [Hex, Hex, Hex, bigint];
    return [`${units} base units of the token ${token} out of ${account} to ${payee}`];
  }
  return [];
}

function decoded(
  abi: Abi,
  data: Hex,
): { readonly functionName: string; readonly args: readonly unknown[] } | undefined {
  try {
    const { args = [], functionName } = decodeFunctionData({ abi, data });
    return { functionName, args };
  } catch {
    return undefined;
  }
}
