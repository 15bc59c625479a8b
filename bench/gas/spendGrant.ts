import { encodeFunctionData, erc20Abi, parseEther, type Address, type Hex } from "viem";
import type { UserOperation } from "viem/account-abstraction";
import type { PrivateKeyAccount } from "viem/accounts";

import { spendGrantAbi } from "../../src/chain/abi/spendGrant.ts";
import { grantByOwner, spendGrantDeployment } from "../../src/chain/deploy.ts";
import { limitFor, type CompiledPolicy } from "../../src/policy/compile.ts";
import {
  spendGrantArgument,
  spendGrantDomain,
  spendGrantHash,
  spendGrantTypes,
  type SpendGrant,
} from "../../src/policy/spendGrant.ts";
import { openAgent, type Agent } from "./agent.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import { amountOf, fund, gasOf, gasOfOperation, personOf, rootOf, type Site } from "./site.ts";
import { spenderPolicy, spendingBy } from "./spender.ts";

const contract = spendGrantDeployment.address;

/** Out of the token's own allowance. */
const source = 0;

/**
 * Spends out of a plain account, under the amounts and payees of the standard policy, by an agent that is a key and by one of an
 * account; and what it takes to put such a grant in force and to end it.
 */
export const spendGrant: Group = {
  names: [
    "spendGrant.direct.erc20",
    "spendGrant.userOp.erc20",
    "spendGrant.approve.signed",
    "spendGrant.revoke",
  ],
  async measure(site) {
    const [payer, key] = [personOf("payer"), personOf("spender")];
    for (const { address } of [payer, key]) await fund(site, address);
    const allowance = encodeFunctionData({
      abi: erc20Abi,
      functionName: "approve",
      args: [contract, parseEther("1000")],
    });
    await gasOf(site, payer, site.token, allowance);
    const approving = (grant: SpendGrant) => approve(site, payer, grant);

    const direct = await grantOf(site, payer.address, key.address, key.address);
    await approving(direct);
    // An account without caps of its own.
    const agent = await openAgent(site, 1n);
    await grantByOwner(site.chain, agent.owner, agent.account, limitFor(policyOf(agent), "TOKEN")!.grant);
    const byAccount = await grantOf(site, payer.address, agent.account, agent.key.address);
    await approving(byAccount);
    const other = (salt: number) => grantOf(site, payer.address, key.address, key.address, salt);

    return {
      "spendGrant.direct.erc20": await medianOf((turn) =>
        gasOf(site, key, contract, spendDirectly(site, direct, turn)),
      ),
      "spendGrant.userOp.erc20": await medianOf(async (turn) =>
        gasOfOperation(site, await spending(agent, byAccount, turn)),
      ),
      "spendGrant.approve.signed": await medianOf(async (turn) => approving(await other(100 + turn))),
      "spendGrant.revoke": await medianOf(async (turn) => {
        const grant = await other(200 + turn);
        await approving(grant);
        const args = [spendGrantHash(grant, site.chain.chainId, contract)] as const;
        return gasOf(
          site,
          payer,
          contract,
          encodeFunctionData({ abi: spendGrantAbi, functionName: "revoke", args }),
        );
      }),
    };
  },
};

/** A grant like the standard policy. Salts tell grants apart that are equal otherwise. */
async function grantOf(
  { chain, payees, token }: Site,
  account: Address,
  agent: Address,
  agentKey: Address,
  salt = 1,
): Promise<SpendGrant> {
  const now = Number((await chain.client.getBlock()).timestamp);
  return {
    account,
    agent,
    agentKey,
    token,
    perCall: parseEther("5"),
    perWindow: parseEther("50"),
    window: 86_400,
    total: parseEther("1000"),
    validAfter: now - 60,
    validUntil: now + 30 * 86_400,
    payees: payees.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)),
    anyPayee: false,
    epoch: 0n,
    salt: BigInt(rootOf(salt)),
    purpose: "Pay the studio's invoices",
    policyHash: rootOf(0),
  };
}

/** Brings the payer's signature, by somebody else. Its gas. */
async function approve(site: Site, payer: PrivateKeyAccount, grant: SpendGrant): Promise<number> {
  const signature = await payer.signTypedData({
    domain: spendGrantDomain(site.chain.chainId, contract),
    types: spendGrantTypes,
    primaryType: "AgentSpendGrant",
    message: grant,
  });
  const args = [spendGrantArgument(grant), signature] as const;
  const data = encodeFunctionData({ abi: spendGrantAbi, functionName: "approveBySignature", args });
  return gasOf(site, personOf("spender"), contract, data);
}

/** The next spend of an agent that is a key, with its decision. */
function spendDirectly(site: Site, grant: SpendGrant, turn: number): Hex {
  const size = 1001 + turn;
  const args = [
    spendGrantArgument(grant),
    site.payees[3]!,
    amountOf(turn),
    source,
    size,
    rootOf(size),
  ] as const;
  return encodeFunctionData({ abi: spendGrantAbi, functionName: "spendDirectly", args });
}

/** The agent's own policy: it may call `spend`, and nothing counts of its account's money. */
const policyOf = (agent: Agent): CompiledPolicy =>
  spenderPolicy(agent, {
    name: "spender",
    salt: 9,
    contract,
    call: {
      function:
        "function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)",
    },
  });

/** The next spend of the account's agent. */
function spending(agent: Agent, grant: SpendGrant, turn: number): Promise<UserOperation<"0.8">> {
  const args = [spendGrantArgument(grant), agent.site.payees[3]!, amountOf(turn), source] as const;
  const call = {
    to: contract,
    valueWei: 0n,
    data: encodeFunctionData({ abi: spendGrantAbi, functionName: "spend", args }),
  };
  return spendingBy(agent, policyOf(agent), call, 2001 + turn);
}
