import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { numberToHex, type Address } from "viem";

import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { ChainRefusalError } from "../../src/chain/errors.ts";
import { openKeystore } from "../../src/chain/keystore.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { signOperation } from "../../src/chain/signOperation.ts";
import { grantSpendCall } from "../../src/chain/spendGrantCall.ts";
import type { GrantDelegation } from "../../src/core/delegation.ts";
import { proveCalls } from "../../src/policy/proveCalls.ts";
import { spendGrantOf } from "../../src/policy/spendGrantJson.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import type { World } from "../treasury/world.ts";

/**
 * Spends under a grant with the agent's own key and no runtime in the way: what a thief of the key would do.
 *
 * @returns why the chain refused it; null when it paid
 */
export async function spendAnyway(
  world: World,
  delegation: GrantDelegation,
  payee: Address,
): Promise<string | null> {
  const { account, chain, policy } = world;
  const state = dirname(world.configFile);
  const password = (await readFile(join(state, "password"), "utf8")).trim();
  const [signer, executor] = await Promise.all([
    world.openAgentKey(),
    openKeystore(join(state, "purse.keystore.json"), password),
  ]);
  const now = await readAccount(chain, account, policy);
  const limit = policy.limits[0]!;
  const size = decodeCounters(now.limits[0]!.countersWord).treeSize + 1;
  const calls = [
    grantSpendCall(delegation.contract, spendGrantOf(delegation.grant), payee, 1n, delegation.source),
  ];
  const bundler = ownBundler(chain, { executor });
  try {
    const operation = await signOperation({
      chainId: chain.chainId,
      account,
      signer,
      limit,
      calls,
      proofs: proveCalls(calls, limit, policy.payeeTree, account),
      nonce: now.nonce,
      commitment: {
        validAfter: Number(now.blockTimestamp) - 30,
        validUntil: Number(now.blockTimestamp) + 270,
        treeSize: size,
        treeRoot: numberToHex(size, { size: 32 }),
      },
      bundler,
    });
    await bundler.send(operation.userOp);
    return null;
  } catch (error) {
    if (error instanceof ChainRefusalError) return `${error.refusal.words} (${error.refusal.error})`;
    throw error;
  }
}
