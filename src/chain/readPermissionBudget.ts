import { decodeFunctionResult, encodeFunctionData, erc20Abi, type Hex } from "viem";

import { permissionSpenderAbi } from "./abi/permissionSpender.ts";
import type { Permission } from "../policy/permission.ts";
import type { PermissionBudget } from "../policy/permissionReasons.ts";
import { ask, type Chain } from "./connectChain.ts";
import {
  delegationHash,
  delegationManagerAbi,
  delegationsIn,
  periodEnforcerAbi,
  periodTerms,
} from "./delegationFramework.ts";
import { RpcUnreachableError } from "./errors.ts";
import { probePermission } from "./probePermission.ts";

/** What a look may take that a few words of storage answer, in gas: what loops for ever does not keep the node busy until it counts as away. */
const mostGas = 1_000_000n;
/** Of a refusal in others' words. */
const longestRefusal = 200;

/**
 * How far a permission is used, what its period leaves, what its payer has, and whether it works, all at one block. The agent's contract has
 * to be there. Account, enforcers and signature are the payer's affair, and may be others' code by now: where they can't be asked, nothing
 * is left, and nobody who reads several permissions is stopped by one.
 *
 * @throws TypeError for a context that is none: what the journal holds was read before
 */
export async function readPermissionBudget(
  chain: Chain,
  permission: Permission,
  blockNumber: bigint,
): Promise<PermissionBudget> {
  const { client } = chain;
  const { account, context, manager, spender, token } = permission;
  const [delegation] = delegationsIn(context) ?? [];
  if (!delegation) throw new TypeError("No permission is encoded like that.");
  const hash = delegationHash(delegation);
  const at = { blockNumber };
  const [available, [ended, disabled, balance]] = await Promise.all([
    leftBy(chain, permission, hash, blockNumber),
    ask(chain, () =>
      Promise.all([
        client.readContract({
          address: spender,
          abi: permissionSpenderAbi,
          functionName: "isRevoked",
          args: [account, hash],
          ...at,
        }),
        client.readContract({
          address: manager,
          abi: delegationManagerAbi,
          functionName: "disabledDelegations",
          args: [hash],
          ...at,
        }),
        client.readContract({
          address: token,
          abi: erc20Abi,
          functionName: "balanceOf",
          args: [account],
          ...at,
        }),
      ]),
    ),
  ]);
  const common = { hash, revoked: ended || disabled, available: available ?? 0n, balance };
  if (available === undefined)
    return { ...common, refusal: "the contract that counts its periods does not say what is left" };
  // All that seems to be left is tried: what lets a little pass may refuse the rest. Nothing proves nothing.
  if (common.revoked || available === 0n || balance === 0n) return { ...common, refusal: null };
  const refused = await probePermission(
    chain,
    permission,
    available < balance ? available : balance,
    blockNumber,
  );
  return {
    ...common,
    refusal: refused ? `${refused.words} (${refused.error})`.slice(0, longestRefusal).toWellFormed() : null,
  };
}

/** What the enforcer of the periods says that it leaves; undefined where it says nothing. */
async function leftBy(
  chain: Chain,
  permission: Permission,
  hash: Hex,
  blockNumber: bigint,
): Promise<bigint | undefined> {
  const { enforcer, manager } = permission;
  const call = { abi: periodEnforcerAbi, functionName: "getAvailableAmount" } as const;
  try {
    const { data = "0x" } = await ask(chain, () =>
      chain.client.call({
        to: enforcer,
        data: encodeFunctionData({ ...call, args: [hash, manager, periodTerms(permission)] }),
        gas: mostGas,
        blockNumber,
      }),
    );
    const [available] = decodeFunctionResult({ ...call, data });
    return available;
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    return undefined;
  }
}
