import type { Hex } from "viem";
import type { UserOperation } from "viem/account-abstraction";

import { fromUserOpJson } from "../../src/chain/entryPoint.ts";
import { laneOf, longestClaimSeconds, signOperation } from "../../src/chain/signOperation.ts";
import type { Call } from "../../src/core/operation.ts";
import { compilePolicy, limitFor, type CompiledPolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { proveCalls } from "../../src/policy/proveCalls.ts";
import { localChainId } from "../../src/testing/localChain.ts";
import { fixedBundler, type Agent } from "./agent.ts";
import { nonceOf, rootOf } from "./site.ts";

/**
 * The policy of an agent that spends out of accounts of others: it may make one call of one contract, and has the standard policy's amounts
 * and payees.
 */
export function spenderPolicy(
  { key, site }: Agent,
  options: {
    readonly name: string;
    readonly salt: number;
    readonly contract: Hex;
    /** But for the contract. */
    readonly call: object;
  },
): CompiledPolicy {
  const { call, contract, name, salt } = options;
  const document = {
    policy: name,
    version: 1,
    chain: localChainId,
    tokens: { TOKEN: { address: site.token, decimals: 18 } },
    payees: Object.fromEntries(site.payees.map((address, index) => [`payee-${index}`, { address }])),
    contracts: { spender: { address: contract } },
    limits: [{ perPayment: "5 TOKEN", perWindow: "50 TOKEN", window: "24h", lifetime: "1000 TOKEN" }],
    calls: [{ to: "spender", counts: "TOKEN", ...call }],
    gas: { budget: "10 ETH", perOperation: "0.002 ETH" },
    expires: "2040-01-01T00:00:00Z",
    salt,
  };
  // YAML reads JSON.
  return compilePolicy(parsePolicy(JSON.stringify(document)), key.address);
}

/** The agent's next operation with such a call, signed by the runtime's own code. */
export async function spendingBy(
  { account, key, site }: Agent,
  policy: CompiledPolicy,
  call: Call,
  treeSize: number,
): Promise<UserOperation<"0.8">> {
  const limit = limitFor(policy, "TOKEN")!;
  const calls = [call];
  const validAfter = Number((await site.chain.client.getBlock()).timestamp) - 60;
  const operation = await signOperation({
    chainId: site.chain.chainId,
    account,
    signer: key,
    limit,
    calls,
    proofs: proveCalls(calls, limit, policy.payeeTree, account),
    nonce: await nonceOf(site, account, laneOf(key.address)),
    commitment: {
      validAfter,
      validUntil: validAfter + longestClaimSeconds,
      treeSize,
      treeRoot: rootOf(treeSize),
    },
    bundler: fixedBundler,
  });
  return fromUserOpJson(operation.userOp);
}
