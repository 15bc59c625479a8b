import { encodeFunctionData } from "viem";

import { decisionLogAbi } from "../../src/chain/abi/decisionLog.ts";
import { decisionLogDeployment } from "../../src/chain/deploy.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import { fund, gasOf, personOf, rootOf } from "./site.ts";

/** Decisions not to act that wait for one anchor. */
const batch = 100;

/** Anchors by plain transactions, as the operator's purse sends them. */
export const decisionLog: Group = {
  names: ["anchor.batch100.perDecision"],
  async measure(site) {
    const purse = personOf("purse");
    await fund(site, purse.address);
    const [account, agent] = [personOf("anchor/account").address, personOf("anchor/agent").address];
    const whole = await medianOf((turn) => {
      const treeSize = (turn + 1) * batch;
      const data = encodeFunctionData({
        abi: decisionLogAbi,
        functionName: "anchor",
        args: [account, agent, BigInt(treeSize), rootOf(treeSize)],
      });
      return gasOf(site, purse, decisionLogDeployment.address, data);
    });
    return { "anchor.batch100.perDecision": whole / batch };
  },
};
