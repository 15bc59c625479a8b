import { encodeFunctionData, zeroHash, type Address, type Hex } from "viem";

import type { Permission } from "../policy/permission.ts";
import { ask, type Chain } from "./connectChain.ts";
import {
  delegationHash,
  delegationsIn,
  enforcerAbi,
  expiryTerms,
  periodTerms,
  transferExecution,
} from "./delegationFramework.ts";
import { RpcAnswerError, RpcUnreachableError } from "./errors.ts";

/** Terms of a time that is over: the first second. */
const overTerms = expiryTerms(1);

/**
 * Asks the enforcers that a wallet named, without changing anything, whether they refuse what they are there to refuse: more than the
 * amount, and a time that is over. They are asked as the manager asks them, so no balance stands in the way of an answer. One that was
 * written to deceive this question deceives it; one that refuses nothing does not.
 *
 * @returns what is let pass, in words; undefined where both refuse
 * @throws RpcUnreachableError · RpcAnswerError · TypeError for a context that was not read before
 */
export async function laxEnforcer(chain: Chain, permission: Permission): Promise<string | undefined> {
  const { account, context, enforcer, expiry, manager, perPeriod, spender, token } = permission;
  const [delegation] = delegationsIn(context) ?? [];
  const clock = delegation?.caveats.find(({ terms }) => terms === expiryTerms(expiry))?.enforcer;
  if (!delegation || !clock) throw new TypeError("No permission is encoded like that.");
  const hash = delegationHash(delegation);
  const passes = async (asked: Address, terms: Hex, amountUnits: bigint): Promise<boolean> => {
    const execution = transferExecution(token, spender, amountUnits);
    const data = encodeFunctionData({
      abi: enforcerAbi,
      functionName: "beforeHook",
      args: [terms, "0x", zeroHash, execution, hash, account, spender],
    });
    try {
      await ask(chain, () => chain.client.call({ account: manager, to: asked, data }));
      return true;
    } catch (error) {
      if (error instanceof RpcUnreachableError || error instanceof RpcAnswerError) throw error;
      return false;
    }
  };
  if (await passes(enforcer, periodTerms(permission), perPeriod + 1n)) return "more than was asked for";
  if (await passes(clock, overTerms, 0n)) return "spending after its end";
  return undefined;
}
