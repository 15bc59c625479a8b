import { encodeFunctionData, parseEther, type Hex } from "viem";

import { permissionSpenderAbi } from "../../src/chain/abi/permissionSpender.ts";
import { delegationHash } from "../../src/chain/delegationFramework.ts";
import { ensureDeployed, grantByOwner, permissionSpenderDeployment } from "../../src/chain/deploy.ts";
import { permissionSpendCall } from "../../src/chain/permissionCall.ts";
import { limitFor, type CompiledPolicy } from "../../src/policy/compile.ts";
import type { Permission } from "../../src/policy/permission.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import {
  contextOf,
  delegationFor,
  deployFramework,
  framework,
  signDelegation,
  upgrade,
} from "../../test/integration/framework.ts";
import { openAgent, type Agent } from "./agent.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import { amountOf, fund, gasOf, gasOfOperation, personOf, rootOf } from "./site.ts";
import { spenderPolicy, spendingBy } from "./spender.ts";

/** Spends under a permission of a wallet (ERC-7715) that the real delegation framework enforces, and the payer's stop. */
export const permission: Group = {
  names: ["permission.userOp.erc20", "permission.revoke"],
  async measure(site) {
    const payer = personOf("permitter");
    await fund(site, payer.address);
    await deployFramework(site.chain);
    await upgrade(site.chain, payer);
    const agent = await openAgent(site, 2n);
    const spender = permissionSpenderDeployment(agent.account, agent.key.address, framework.manager);
    await ensureDeployed(site.chain, localFaucet, spender);
    const policy = permissionPolicy(agent, spender.address);
    await grantByOwner(site.chain, agent.owner, agent.account, limitFor(policy, "TOKEN")!.grant);
    const now = Number((await site.chain.client.getBlock()).timestamp);
    const terms = {
      account: payer.address,
      spender: spender.address,
      manager: framework.manager,
      token: site.token,
      perPeriod: parseEther("50"),
      period: 86_400,
      start: now - 60,
      expiry: now + 30 * 86_400,
      purpose: "Pay the studio's invoices",
    };
    const unsigned = delegationFor(terms, BigInt(rootOf(1)));
    const delegation = { ...unsigned, signature: await signDelegation(payer, unsigned, site.chain.chainId) };
    const given: Permission = { ...terms, context: contextOf(delegation), enforcer: framework.period };
    return {
      "permission.userOp.erc20": await medianOf(async (turn) =>
        gasOfOperation(site, await spendingBy(agent, policy, spendOf(agent, given, turn), 3001 + turn)),
      ),
      "permission.revoke": await medianOf((turn) => {
        const hash = delegationHash({ ...delegation, salt: BigInt(rootOf(100 + turn)) });
        const data = encodeFunctionData({ abi: permissionSpenderAbi, functionName: "revoke", args: [hash] });
        return gasOf(site, payer, spender.address, data);
      }),
    };
  },
};

const spendOf = ({ site }: Agent, given: Permission, turn: number) =>
  permissionSpendCall(given.spender, given, site.payees[3]!, amountOf(turn));

const call = {
  function: "function spend(address payer, address token, address payee, uint256 amount, bytes context)",
  spends: "amount",
};

/** The agent's own policy: it may call `spend` for the payees of the standard policy, and what that takes is counted. */
const permissionPolicy = (agent: Agent, contract: Hex): CompiledPolicy =>
  spenderPolicy(agent, {
    name: "permitted",
    salt: 10,
    contract,
    call: {
      ...call,
      where: {
        payee: { in: agent.site.payees.map((_, index) => `payee-${index}`) },
        token: { equals: "TOKEN" },
      },
    },
  });
