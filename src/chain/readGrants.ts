import type { Address, Hex } from "viem";

import { plainExtras, type Extras, type Grant } from "../policy/grant.ts";
import { decodeCounters } from "../policy/usage.ts";
import { agentAccountAbi } from "./abi/agentAccount.ts";
import { allLogs } from "./allLogs.ts";
import { ask, type Chain } from "./connectChain.ts";

/** A grant that works now, with everything it says. */
export type LiveGrant = { readonly policyId: Hex; readonly grant: Grant };

/** The live grants of an account, of one agent or of all: the events tell which there were, the counters which still work. */
export async function readGrants(
  chain: Chain,
  account: Address,
  agent?: Address,
): Promise<readonly LiveGrant[]> {
  const read = { address: account, abi: agentAccountAbi } as const;
  const granted = await allLogs(chain, (blocks) =>
    chain.client.getContractEvents({
      ...read,
      eventName: "Granted",
      args: agent ? { account, agent } : { account },
      strict: true,
      ...blocks,
    }),
  );
  if (granted.length === 0) return [];
  const extras = await allLogs(chain, (blocks) =>
    chain.client.getContractEvents({
      ...read,
      eventName: "ExtrasGranted",
      args: { account },
      strict: true,
      ...blocks,
    }),
  );
  const extrasOf = new Map<Hex, Extras>(extras.map(({ args }) => [args.policyId, args.extras]));
  return ask(chain, async () => {
    const epoch = await chain.client.readContract({ ...read, functionName: "epoch" });
    const live: LiveGrant[] = [];
    // Granted again in another epoch is one grant.
    for (const { args } of new Map(granted.map((log) => [log.args.policyId, log])).values()) {
      const { asset, payees, policyId, terms } = args;
      const word = await chain.client.readContract({ ...read, functionName: "counters", args: [policyId] });
      const counters = decodeCounters(word);
      if (counters.status !== "granted" || BigInt(counters.epoch) !== epoch) continue;
      const grant = await chain.client.readContract({
        ...read,
        functionName: "grantOf",
        args: [args.agent, asset, payees, terms, extrasOf.get(policyId) ?? plainExtras],
      });
      live.push({ policyId, grant });
    }
    return live;
  });
}
