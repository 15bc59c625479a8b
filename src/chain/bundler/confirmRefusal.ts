import { encodeFunctionData, type Hex, type StateOverride } from "viem";

import { agentAccountAbi } from "../abi/agentAccount.ts";
import { asMade } from "../accountOrigin.ts";
import { ask, type Chain } from "../connectChain.ts";
import { decodeRefusal, revertDataOf } from "../decodeRefusal.ts";
import { entryPointAddress, packUserOp, userOpHashOf, type PlainUserOp } from "../entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../errors.ts";
import { nonceIn } from "../findReceipt.ts";
import { estimateCall } from "../estimateCall.ts";
import { gasFundsOf } from "../gasFunds.ts";
import { probeCall, restsOnValidation } from "../probeCall.ts";

/** Validation takes a good hundred thousand gas; whoever can't even pay for this much more than the call can't pay. */
const leastValidationGas = 100_000n;

/**
 * What our own node says of an operation that a bundler refuses to estimate: a bundler's word alone is no refusal of the chain's, for
 * the payment would be given up by it.
 *
 * @param draft its signature is well-formed and not valid; its gas limits are zero
 * @returns the refusal as our own node gives it; a BundlerError where it sees no reason for one
 */
export async function confirmRefusal(
  chain: Chain,
  bundler: string,
  draft: PlainUserOp,
  told: ChainRefusalError,
): Promise<ChainRefusalError | BundlerError> {
  const made = asMade(draft);
  // Nobody can ask an account of another's factory that is not there yet. Only an owner sends such an operation, and looks on.
  if (draft.factory && !made) return told;
  const nonce = await nonceIn(chain, draft.sender, draft.nonce >> 64n);
  if (nonce !== draft.nonce)
    return refusal("AA25", "AA25 invalid account nonce", "the nonce was used before");
  const invalid = await validationRefusal(chain, draft, made);
  if (invalid) return invalid;
  const gas = await callGas(chain, bundler, draft);
  if (gas instanceof ChainRefusalError) return gas;
  if (
    !draft.paymaster &&
    (await gasFundsOf(chain, draft.sender)) < (gas + leastValidationGas) * draft.maxFeePerGas
  )
    return refusal("AA21", "AA21 didn't pay prefund", "the account can't pay the gas of the operation");
  return new BundlerError(
    bundler,
    "refuses to estimate what our own node would take",
    told.shortMessage,
    "Nothing was signed, and the decision waits: it is asked again. If it stays like this, use another bundler.",
  );
}

const refusal = (code: string, error: string, words: string): ChainRefusalError =>
  new ChainRefusalError({ code, error, words });

/** The account's own validation, called as the EntryPoint calls it. A signature that does not fit is no revert. */
async function validationRefusal(
  chain: Chain,
  draft: PlainUserOp,
  made: StateOverride | undefined,
): Promise<ChainRefusalError | undefined> {
  const data = encodeFunctionData({
    abi: agentAccountAbi,
    functionName: "validateUserOp",
    args: [packUserOp(draft) as never, userOpHashOf(chain.chainId, draft), 0n],
  });
  const reverted = await revertOf(chain, draft, data, made);
  return reverted && new ChainRefusalError({ ...decodeRefusal(reverted), code: "AA23" });
}

async function revertOf(
  chain: Chain,
  { sender }: PlainUserOp,
  data: Hex,
  made: StateOverride | undefined,
): Promise<Hex | undefined> {
  try {
    await ask(chain, () =>
      chain.client.call({
        account: entryPointAddress,
        to: sender,
        data,
        ...(made ? { stateOverride: made } : {}),
      }),
    );
    return undefined;
  } catch (error) {
    const reverted = revertDataOf(error);
    if (reverted) return reverted;
    throw error;
  }
}

async function callGas(
  chain: Chain,
  bundler: string,
  draft: PlainUserOp,
): Promise<bigint | ChainRefusalError> {
  if (draft.callData === "0x") return 0n;
  try {
    return draft.factory || restsOnValidation(draft)
      ? await probeCall(chain, bundler, draft)
      : await estimateCall(chain, bundler, draft);
  } catch (error) {
    if (error instanceof ChainRefusalError) return error;
    throw error;
  }
}
