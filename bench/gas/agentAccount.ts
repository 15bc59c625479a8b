import { encodeFunctionData, parseEther, type Hex } from "viem";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { grantByOwner } from "../../src/chain/deploy.ts";
import { limitOf, openAgent, ownerOperation, payment, paymentWithGrant, type Agent } from "./agent.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import { gasOf, gasOfOperation } from "./site.ts";

/** Payments under the standard policy, and what it takes to give such a policy and to take it back. */
export const agentAccount: Group = {
  names: [
    "agentAccount.erc20.standard",
    "agentAccount.native.standard",
    "accountCap.extra",
    "grant.signed.extra",
    "revoke.one",
    "revoke.one.userOp",
    "revoke.all",
  ],
  async measure(site) {
    const agent = await openAgent(site);
    const [token, coin] = [limitOf(agent, "TOKEN"), limitOf(agent, "ETH")];
    for (const { grant } of [token, coin]) await grantByOwner(site.chain, agent.owner, agent.account, grant);

    const erc20 = await medianOf(async (turn) => gasOfOperation(site, await payment(agent, token, turn)));
    const native = await medianOf(async (turn) => gasOfOperation(site, await payment(agent, coin, turn)));
    const granting = await medianOf(async (turn) =>
      gasOfOperation(site, await paymentWithGrant(agent, limitOf(agent, "TOKEN", 100 + turn), turn)),
    );
    const revoking = await medianOf(async (turn) =>
      gasOf(site, agent.owner, agent.account, await revocation(agent, 200 + turn)),
    );
    const revokingByOperation = await medianOf(async (turn) =>
      gasOfOperation(site, await ownerOperation(agent, await revocation(agent, 300 + turn))),
    );
    await gasOf(site, agent.owner, agent.account, capOnToken(agent));
    const capped = await medianOf(async (turn) => gasOfOperation(site, await payment(agent, token, turn)));
    // Last: it ends every grant above.
    const everything = encodeFunctionData({ abi: agentAccountAbi, functionName: "revokeAll" });
    return {
      "agentAccount.erc20.standard": erc20,
      "agentAccount.native.standard": native,
      "accountCap.extra": capped - erc20,
      "grant.signed.extra": granting - erc20,
      "revoke.one": revoking,
      "revoke.one.userOp": revokingByOperation,
      "revoke.all": await medianOf(() => gasOf(site, agent.owner, agent.account, everything)),
    };
  },
};

/** The call that caps what all agents of the account pay together, in a window of a day. */
const capOnToken = ({ site }: Agent): Hex =>
  encodeFunctionData({
    abi: agentAccountAbi,
    functionName: "setCap",
    args: [site.token, parseEther("500"), 14_400n],
  });

/** The call that revokes a grant, which is put in force for it. */
async function revocation(agent: Agent, salt: number): Promise<Hex> {
  const { grant, policyId } = limitOf(agent, "TOKEN", salt);
  await grantByOwner(agent.site.chain, agent.owner, agent.account, grant);
  return encodeFunctionData({ abi: agentAccountAbi, functionName: "revoke", args: [policyId] });
}
