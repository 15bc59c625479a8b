import { keccak256, toHex, type Hex } from "viem";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { laneOf, signOperation } from "../../src/chain/signOperation.ts";
import type { World } from "./world.ts";

/** The agent's key in other hands: an empty operation at the lane's next nonce, which commits a tree of its own. */
export async function useNonceElsewhere(world: World, treeSize = 1): Promise<Hex> {
  const { account, agent, policy } = world;
  const { timestamp } = await world.chain.client.getBlock();
  const bundler = ownBundler(world.chain, { executor: world.purse });
  const operation = await signOperation({
    chainId: world.chain.chainId,
    account,
    signer: agent,
    limit: policy.limits[0]!,
    calls: [],
    proofs: [],
    nonce: await nextNonce(world),
    commitment: {
      validAfter: Number(timestamp) - 30,
      validUntil: Number(timestamp) + 270,
      treeSize,
      treeRoot: keccak256(toHex("elsewhere")),
    },
    bundler,
  });
  await bundler.send(operation.userOp);
  return operation.userOpHash;
}

/** Of the agent's lane, the whole 256-bit number. */
export const nextNonce = ({ account, agent, chain: { client } }: World) =>
  client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "getNonce",
    args: [account, laneOf(agent.address)],
  });
