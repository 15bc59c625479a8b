import {
  encodeFunctionData,
  erc20Abi,
  keccak256,
  parseAbi,
  parseEther,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { compactSignature } from "../../src/chain/compactSignature.ts";
import {
  encodeCalls,
  laneOf,
  signOperation,
  type SignOperationInput,
} from "../../src/chain/signOperation.ts";
import { signApproval, type ApprovalRequest } from "../../src/chain/ruledSignature.ts";
import type { Call } from "../../src/core/operation.ts";
import { accountDomain, installTypes } from "../../src/policy/grant.ts";
import { payeeProof, payeeTree } from "../../src/policy/payeeTree.ts";
import { proveCalls } from "../../src/policy/proveCalls.ts";
import { localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { place } from "./smallContracts.ts";
import { keyOf, makeWorld, tokenAddress, type World } from "./world.ts";

let chain: LocalChain;
let router: Address;
let paymaster: Address;
const acme: Address = "0x00000000000000000000000000000000000Ac3E0";
const alice = privateKeyToAccount(keyOf("ruled", "alice"));
beforeAll(async () => {
  chain = await startLocalChain();
  router = await place(chain, "router");
  paymaster = await place(chain, "paymaster");
  await chain.request({ method: "hardhat_setBalance", params: [router, toHex(parseEther("1"))] });
});
afterAll(() => chain.close());

const policyText = (clauses = "") => `policy: dca
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  router: { address: "${router}", contract: true }
  acme: { address: "${acme}" }
limits:
  - perPayment: "50.00 USDC"
    perWindow: "200.00 USDC"
    window: 24h
    lifetime: "1000.00 USDC"
    functions: [approve]
    operations: { perWindow: 3 }
    escalation: { upTo: "120.00 USDC" }
calls:
  - to: router
    function: function swap(address token, uint256 amount, address to)
    counts: USDC
    where:
      token: { equals: USDC }
      amount: { atMost: "50.00 USDC" }
      to: { self: true }
approvers:
  alice: { address: "${alice.address}" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
${clauses}`;

const token = (functionName: "transfer" | "approve", to: Address, units: bigint): Call => ({
  to: tokenAddress,
  valueWei: 0n,
  data: encodeFunctionData({ abi: erc20Abi, functionName, args: [to, units] }),
});
const swap = (units: bigint, to: Address): Call => ({
  to: router,
  valueWei: 0n,
  data: encodeFunctionData({
    abi: parseAbi(["function swap(address token, uint256 amount, address to)"]),
    args: [tokenAddress, units, to],
  }),
});

/** Signs calls and hands them to the bundler, which simulates before it sends. */
async function act(
  world: World,
  calls: readonly Call[],
  parts: Partial<SignOperationInput> = {},
): Promise<void> {
  const { account, agent, policy } = world;
  const limit = policy.limits[0]!;
  const { timestamp } = await world.chain.client.getBlock();
  const nonce = await world.chain.client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "getNonce",
    args: [account, laneOf(agent.address)],
  });
  const bundler = ownBundler(world.chain, { executor: world.purse });
  const operation = await signOperation({
    chainId: 31337,
    account,
    signer: agent,
    limit,
    calls,
    proofs: proveCalls(calls, limit, policy.payeeTree, account),
    nonce,
    commitment: {
      validAfter: Number(timestamp) - 30,
      validUntil: Number(timestamp) + 270,
      treeSize: Number(nonce & 0xffffn) + 1,
      treeRoot: keccak256(toHex(nonce)),
    },
    bundler,
    ...parts,
  });
  await bundler.send(operation.userOp);
}

const balance = ({ chain: { client } }: World, address: Address) =>
  client.readContract({ address: tokenAddress, abi: erc20Abi, functionName: "balanceOf", args: [address] });
const countersOf = ({ account, chain: { client }, policy }: World) =>
  client.readContract({
    address: account,
    abi: agentAccountAbi,
    functionName: "usage",
    args: [policy.limits[0]!.policyId],
  });

const units = 1_000_000n;
const said = (error: string) => ({ refusal: { error: expect.stringContaining(error) } });

test("approve and swap in one operation, counted once", async () => {
  const world = await makeWorld(chain, "dca", { policyText: policyText() });
  await act(world, [token("approve", router, 40n * units), swap(40n * units, world.account)]);
  expect(await balance(world, router)).toBe(40n * units);
  expect(await world.chain.client.getBalance({ address: world.account })).toBe(parseEther("1"));
  const limit = world.policy.limits[0]!;
  expect((await countersOf(world)).spent).toBe(Number((40n * units) / 10n ** BigInt(limit.units.exponent)));

  await expect(
    act(world, [token("approve", router, 10n * units), swap(10n * units, acme)]),
  ).rejects.toMatchObject(said("ArgumentNotAllowed(2"));
  await expect(act(world, [token("approve", acme, 60n * units)])).rejects.toMatchObject(
    said("OverPerCall(60000000, 50000000)"),
  );
  await expect(act(world, [token("approve", alice.address, units)])).rejects.toMatchObject(
    said("PayeeNotAllowed"),
  );
  await expect(act(world, [{ to: router, valueWei: 0n, data: "0xdeadbeef" }])).rejects.toMatchObject(
    said("RuleNotAllowed"),
  );

  // Three operations in a window, empty ones not counted.
  await act(world, [token("transfer", acme, units), token("transfer", acme, units)]);
  await act(world, []);
  await act(world, [token("transfer", acme, units)]);
  await expect(act(world, [token("transfer", acme, units)])).rejects.toMatchObject(
    said("TooManyOperationsInWindow(4, 3)"),
  );
});

test("an approver lifts the cap per call, once, for these calls", async () => {
  const world = await makeWorld(chain, "escalation", { policyText: policyText() });
  const calls = [token("transfer", acme, 110n * units)];
  const limit = world.policy.limits[0]!;
  const request: ApprovalRequest = {
    chainId: 31337,
    account: world.account,
    approver: alice.address,
    policyId: limit.policyId,
    callData: encodeCalls(calls),
    nonce: 7n,
    deadline: limit.grant.expiry,
  };
  const path = payeeProof(payeeTree([alice.address]), alice.address)!;
  await expect(act(world, calls)).rejects.toMatchObject(said("OverPerCall(110000000, 50000000)"));
  const approval = await signApproval(alice, request, path);
  await expect(act(world, [token("transfer", acme, 121n * units)], { approval })).rejects.toMatchObject(
    said("OverPerCall(121000000, 120000000)"),
  );
  const before = await balance(world, acme);
  await act(world, calls, { approval });
  expect((await balance(world, acme)) - before).toBe(110n * units);
  await expect(act(world, [token("transfer", acme, 60n * units)], { approval })).rejects.toMatchObject({
    refusal: { code: "AA24" },
  });
  await expect(act(world, calls, { approval })).rejects.toMatchObject(said("OverWindow"));
  await expect(
    act(world, [token("transfer", acme, units)], { approval: { ...approval, approver: acme } }),
  ).rejects.toMatchObject(said("ApproverNotAllowed"));
});

test("the owner's grant rides in the first operation", async () => {
  const world = await makeWorld(chain, "inside", { grant: false, policyText: policyText() });
  const limit = world.policy.limits[0]!;
  const ownerSignature: Hex = compactSignature(
    await world.owner.signTypedData({
      domain: accountDomain(31337, world.account),
      types: installTypes,
      primaryType: "Install",
      message: { grant: limit.grant, epoch: 0n },
    }),
  );
  const calls = [token("approve", router, units), swap(units, world.account)];
  await expect(act(world, calls)).rejects.toMatchObject(said("NotGranted"));
  await act(world, calls, { ownerSignature });
  expect((await countersOf(world)).status).toBe(1);
  await act(world, calls);
});

test("the listed paymaster sponsors, and leaves the gas budget alone", async () => {
  const world = await makeWorld(chain, "sponsored", { policyText: policyText(`paymaster: "${paymaster}"`) });
  await sendTransaction(world.chain, localFaucet, {
    to: entryPointAddress,
    valueWei: parseEther("1"),
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [paymaster] }),
  });
  const sponsor = {
    paymaster,
    paymasterVerificationGasLimit: 50_000n,
    paymasterPostOpGasLimit: 0n,
    paymasterData: "0x",
  } as const;
  const calls = [token("transfer", acme, units)];
  await act(world, calls, { sponsor });
  expect(await countersOf(world)).toMatchObject({ gasSpent: 0, spent: expect.any(Number) });
  await act(world, calls);
  expect((await countersOf(world)).gasSpent).toBeGreaterThan(0);
  const stranger = await place(chain, "paymaster", "stranger");
  await expect(act(world, calls, { sponsor: { ...sponsor, paymaster: stranger } })).rejects.toMatchObject(
    said("PaymasterNotAllowed"),
  );
});
