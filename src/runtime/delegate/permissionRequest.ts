import { numberToHex } from "viem";

import type { JsonObject } from "../../core/json.ts";
import type { PermissionMethod } from "../../core/walletLink.ts";
import type { PermissionTerms } from "../../policy/permission.ts";

/** The one type of permission that is asked for. */
export const permissionType = "erc20-token-periodic";

/**
 * What a wallet is asked to permit, as ERC-7715 of today writes it; by the old name, as MetaMask wrote it before: the payer was `address`,
 * who spends was a `signer`, and the end stood outside of the rules.
 */
export function permissionRequest(
  method: PermissionMethod,
  { account, expiry, period, perPeriod, purpose, spender, start, token }: PermissionTerms,
  chainId: number,
): JsonObject {
  const permission = {
    type: permissionType,
    isAdjustmentAllowed: false,
    data: {
      tokenAddress: token,
      periodAmount: numberToHex(perPeriod),
      periodDuration: period,
      startTime: start,
      justification: purpose,
    },
  };
  return method === "wallet_requestExecutionPermissions"
    ? {
        chainId: numberToHex(chainId),
        from: account,
        to: spender,
        permission,
        rules: [{ type: "expiry", data: { timestamp: expiry } }],
      }
    : {
        chainId: numberToHex(chainId),
        address: account,
        expiry,
        isAdjustmentAllowed: false,
        signer: { type: "account", data: { address: spender } },
        permission,
      };
}
