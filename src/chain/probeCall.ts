import { zeroHash } from "viem";

import { callProbeAbi, callProbeCode } from "./abi/callProbe.ts";
import { asMade } from "./accountOrigin.ts";
import { ask, type Chain } from "./connectChain.ts";
import { decodeCalls } from "./decodeCalls.ts";
import { decodeRefusal } from "./decodeRefusal.ts";
import { entryPointAddress, packUserOp, type PlainUserOp } from "./entryPoint.ts";
import { BundlerError, ChainRefusalError, RpcUnreachableError } from "./errors.ts";
import { isPermissionSpend } from "./permissionCall.ts";
import { isGrantSpend } from "./spendGrantCall.ts";

/** Most that validation and calls may take while they are measured. */
const probeGas = 15_000_000n;

/** Do the operation's calls ask the account whose operation it is? It knows after the validation, in the same transaction. */
export const restsOnValidation = ({ callData }: PlainUserOp): boolean =>
  (decodeCalls(callData) ?? []).some((call) => isGrantSpend(call) || isPermissionSpend(call));

const spendsGrant = ({ callData }: PlainUserOp): boolean => (decodeCalls(callData) ?? []).some(isGrantSpend);

/**
 * Gas of the account's calls behind a validation, as the EntryPoint makes them: for those that `estimateCall`, which makes the call
 * alone, can't foresee, and of an account that the operation makes first. The RPC has to take state overrides in `eth_call`.
 *
 * @throws ChainRefusalError when the calls revert
 */
export async function probeCall(chain: Chain, bundler: string, userOp: PlainUserOp): Promise<bigint> {
  try {
    const { result } = await ask(chain, () =>
      chain.client.simulateContract({
        address: entryPointAddress,
        abi: callProbeAbi,
        functionName: "probe",
        args: [packUserOp(userOp), zeroHash],
        gas: probeGas,
        stateOverride: [{ address: entryPointAddress, code: callProbeCode }, ...(asMade(userOp) ?? [])],
      }),
    );
    const [done, gasUsed, reason] = result;
    // The policy has judged in the validation: what is left is the grant's.
    if (!done) throw new ChainRefusalError(decodeRefusal(reason, spendsGrant(userOp) ? "grant" : "policy"));
    // The caller keeps back a 64th (EIP-150), and refunds come only afterwards.
    return (gasUsed * 64n) / 63n + 1000n;
  } catch (error) {
    if (error instanceof RpcUnreachableError || error instanceof ChainRefusalError) throw error;
    throw new BundlerError(bundler, "could not measure the calls behind a validation", error);
  }
}
