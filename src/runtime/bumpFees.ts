import { fromUserOpJson } from "../chain/entryPoint.ts";
import { bumpedFees, isOutbid, least, readGasMarket } from "../chain/gasMarket.ts";
import { readAccount } from "../chain/readAccount.ts";
import { gasOf, signBump } from "../chain/signOperation.ts";
import type { Operation } from "../core/operation.ts";
import { appendEntry } from "../journal/entries.ts";
import { putSibling } from "../journal/operations.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import { decodeCounters, gasSpent } from "../policy/usage.ts";
import type { House, StepContext } from "./house.ts";
import { laneName, requireFreeLane } from "./lane.ts";
import { signingOf } from "./steps/sign.ts";

/**
 * Signs the decision's operation again for more gas when the newest one is outbid: same nonce, calls, claim and tree. It is in the
 * journal before anybody sees it. Which of them is included, the chain decides; more than one it can't be.
 *
 * @param newest what was signed last for the decision
 * @param underpriced a bundler says that the fees are too low
 * @returns undefined where no bump is needed, or the policy and the account's funds allow none
 */
export async function bumpFees(
  context: StepContext,
  newest: Operation,
  underpriced: boolean,
): Promise<Operation | undefined> {
  const { decision, house } = context;
  const userOp = fromUserOpJson(newest.userOp);
  const old = { maxFeePerGasWei: userOp.maxFeePerGas, maxPriorityFeePerGasWei: userOp.maxPriorityFeePerGas };
  const market = await readGasMarket(house.chain);
  if (!underpriced && !isOutbid(old, market)) return undefined;
  const signing = signingOf(context);
  // What a paymaster pays touches neither the policy's budget nor its cap.
  const most = signing.sponsor ? undefined : (await mostWeiFor(house, signing.limit)) / gasOf(userOp);
  const fees = bumpedFees(old, market, most);
  if (!fees) return undefined;
  const { treeRoot, treeSize, validAfter, validUntil } = newest;
  const bump = await signBump(
    { ...signing, commitment: { validAfter, validUntil, treeSize, treeRoot } },
    newest,
    fees,
  );
  house.journal.atomically(() => {
    requireFreeLane(house);
    putSibling(house.journal, decision, laneName(house), bump);
    appendEntry(house.journal, house.agent.name, "bumped", {
      decision,
      userOpHash: bump.userOpHash,
      instead: newest.userOpHash,
      maxFeePerGas: bump.userOp.maxFeePerGas,
      maxPriorityFeePerGas: bump.userOp.maxPriorityFeePerGas,
    });
  });
  return bump;
}

/** The most that one operation may cost now: by the policy's cap and what is left of its budget, and by what the account has. */
async function mostWeiFor({ account, chain, origin, policy }: House, limit: CompiledLimit): Promise<bigint> {
  const { depositWei, limits, nativeWei } = await readAccount(chain, account, policy, origin);
  const { countersWord } = limits[policy.limits.indexOf(limit)]!;
  const { feeCap, gasBudget } = limit.grant;
  const left = gasBudget - gasSpent(limit, decodeCounters(countersWord));
  return least(least(feeCap, left), depositWei + nativeWei);
}
