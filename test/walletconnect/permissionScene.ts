// Anna's wallet gives permissions of its own (ERC-7715), which the real delegation framework enforces.
import type { Address } from "viem";

import { connectChain } from "../../src/chain/connectChain.ts";
import { permissionSpenderDeployment, spendGrantDeployment } from "../../src/chain/deploy.ts";
import type { PermissionMethod } from "../../src/core/walletLink.ts";
import { deployFramework, framework, upgrade } from "../integration/framework.ts";
import { keyOf, makeWorld, tokenAddress } from "../integration/world.ts";
import { annaOf, payeeOf, scene, served } from "./delegateScene.ts";

const grantRule = `  - to: grants
    function: function spend((address account, address agent, address agentKey, address token, uint160 perCall, uint160 perWindow, uint48 window, uint160 total, uint48 validAfter, uint48 validUntil, address[] payees, bool anyPayee, uint64 epoch, uint256 salt, bytes32 purpose, bytes32 policyHash) grant, address payee, uint256 amount, uint8 source)
    counts: USDC
    spends: amount
    where: { payee: { equals: acme } }
`;

/** 50 USDC a payment; under permissions, and under grants as well if wanted. */
export const policyTextOf = (name: string, spender: Address, grants: boolean) => `policy: ${name}
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${payeeOf(name, "acme")}", senders: [acme.example] }
contracts:
  permissions: { address: "${spender}" }
${grants ? `  grants: { address: "${spendGrantDeployment.address}" }\n` : ""}limits:
  - { perPayment: "50.00 USDC", perWindow: "1000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
calls:
  - to: permissions
    function: function spend(address payer, address token, address payee, uint256 amount, bytes context)
    counts: USDC
    spends: amount
    where: { payee: { equals: acme }, token: { equals: USDC } }
${grants ? grantRule : ""}gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** As `scene`, with a wallet that offers permissions, and an account that obeys them. */
export async function permissionScene(
  name: string,
  options: {
    readonly method?: PermissionMethod;
    /** The policy pays under signed grants, too. */
    readonly grants?: boolean;
    /** The account stays a plain key. */
    readonly plain?: boolean;
  } = {},
) {
  const chain = await connectChain({ rpc: served.chain, chainId: 31337, finality: { depth: 0 } });
  const { account, agent } = await makeWorld(served.chain, name, { grant: false });
  await deployFramework(chain);
  const { manager } = framework;
  const deployment = permissionSpenderDeployment(account, agent.address, manager);
  const here = await scene(name, keyOf(name, "anna"), {
    permissions: options.method ?? "wallet_requestExecutionPermissions",
    policyText: policyTextOf(name, deployment.address, options.grants ?? false),
  });
  if (!options.plain) await upgrade(chain, annaOf(name));
  return { ...here, permissions: { deployment, manager } };
}
