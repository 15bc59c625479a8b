import type { Address } from "viem";

import type { AccountOrigin } from "../chain/accountOrigin.ts";
import type { Chain } from "../chain/connectChain.ts";
import { readAccount } from "../chain/readAccount.ts";
import { refusesInstall } from "../chain/refusesInstall.ts";
import { BaseError } from "../core/errors.ts";
import type { CompiledPolicy } from "../policy/compile.ts";
import { decodeCounters } from "../policy/usage.ts";
import type { OwnerSignatures } from "./ownerSignatures.ts";

/**
 * The owner's signatures have to be worth something as long as they are needed: of this owner, in this epoch, for limits that
 * were never revoked. One that is not needed any more may stay where it is.
 *
 * @throws BaseError
 */
export async function requireSignatures(
  chain: Chain,
  account: Address,
  policy: CompiledPolicy,
  signatures: OwnerSignatures,
  origin?: AccountOrigin,
): Promise<void> {
  if (Object.keys(signatures).length === 0) return;
  const state = await readAccount(chain, account, policy, origin);
  for (const [index, limit] of policy.limits.entries()) {
    const signature = signatures[limit.policyId];
    const { status } = decodeCounters(state.limits[index]!.countersWord);
    if (signature === undefined || status === "granted") continue;
    const refusal = await refusesInstall(chain, account, limit, signature, state);
    if (refusal === null) continue;
    throw new BaseError(
      `The owner's signature under the ${limit.token.symbol} limit is worth nothing here.`,
      {
        remedy:
          "Sign again: bursar policy install … --sign-only; or leave ownerSignatures out of the configuration.",
        facts: { policyId: limit.policyId, why: refusal.words, error: refusal.error },
      },
    );
  }
}
