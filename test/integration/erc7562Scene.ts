// Operations of every kind, and what their validation does as a node traces it.
import {
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  getAddress,
  keccak256,
  numberToHex,
  pad,
  toFunctionSelector,
  toHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import { afterAll, beforeAll, expect } from "vitest";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { checkTrace } from "../../src/chain/bundler/checkTrace.ts";
import type { ValidationFrame } from "../../src/chain/bundler/erc7562.ts";
import { compactSignature } from "../../src/chain/compactSignature.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import { ensureAccount, ensureContracts, sendTransaction } from "../../src/chain/deploy.ts";
import {
  entryPointAddress,
  fromUserOpJson,
  packUserOp,
  userOpHashOf,
  type PlainUserOp,
} from "../../src/chain/entryPoint.ts";
import { ownerCall } from "../../src/chain/ownerCall.ts";
import { signApproval } from "../../src/chain/ruledSignature.ts";
import {
  encodeCall,
  encodeCalls,
  laneOf,
  signCommitment,
  signOperation,
  type SignOperationInput,
} from "../../src/chain/signOperation.ts";
import type { Call } from "../../src/core/operation.ts";
import type { CompiledLimit } from "../../src/policy/compile.ts";
import {
  accountDomain,
  installTypes,
  packTerms,
  plainExtras,
  policyIdOf,
  type Grant,
} from "../../src/policy/grant.ts";
import type { CallProof } from "../../src/policy/proveCalls.ts";
import { ruleParameter, ruleTree, type Rule } from "../../src/policy/rule.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";

export const [owner, agent, approver] = ["owner", "agent", "approver"].map((name) =>
  privateKeyToAccount(keccak256(toHex(name))),
) as [PrivateKeyAccount, PrivateKeyAccount, PrivateKeyAccount];
const payee: Address = "0x00000000000000000000000000000000000A11cE";
const root: Hex = keccak256(toHex("tree"));

export let local: LocalChain;
export let chain: Chain;
export let account: Address;

beforeAll(async () => {
  local = await startLocalChain();
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  account = await ensureAccount(chain, localFaucet, owner.address, 0n);
  await local.request({ method: "hardhat_setBalance", params: [owner.address, toHex(10n ** 20n)] });
  await local.request({ method: "hardhat_setBalance", params: [account, toHex(10n ** 20n)] });
});
afterAll(() => local.close());

export const grant = (salt: bigint): Grant => ({
  agent: agent.address,
  asset: zeroAddress,
  payees: pad(payee, { size: 32 }), // one payee is its own root
  perCall: 5n,
  perWindow: 50n,
  lifetime: 1000n,
  bucket: 14_400n,
  gasBudget: 10n ** 18n,
  feeCap: 10n ** 16n,
  expiry: BigInt(Math.floor(Date.now() / 1000) + 86_400),
  salt,
  extras: plainExtras,
});
export const plain = (sender: Address, part: Partial<PlainUserOp>): PlainUserOp => ({
  sender,
  nonce: 0n,
  callData: "0x",
  callGasLimit: 100_000n,
  verificationGasLimit: 1_000_000n,
  preVerificationGas: 0n,
  maxFeePerGas: 1_000_000_000n,
  maxPriorityFeePerGas: 0n,
  signature: "0x",
  ...part,
});

/** An operation as the agent signs it: 1 steady, 2 with the owner's grant inside, 3 empty. */
export async function operation(kind: 1 | 2 | 3, terms: Grant): Promise<PlainUserOp> {
  const now = Number((await chain.client.getBlock()).timestamp);
  const commitment = { validAfter: now - 60, validUntil: now + 240, treeSize: 1, treeRoot: root };
  const draft = plain(account, {
    nonce: laneOf(agent.address) << 64n,
    callData: kind === 3 ? "0x" : encodeCall({ to: payee, valueWei: 5n, data: "0x" }),
  });
  const userOpHash = userOpHashOf(localChainId, draft);
  const input = { chainId: localChainId, account, userOpHash, policyId: policyIdOf(terms), commitment };
  const install = () =>
    owner.signTypedData({
      domain: accountDomain(localChainId, account),
      types: installTypes,
      primaryType: "Install",
      message: { grant: terms, epoch: 0n },
    });
  const tails: Record<1 | 2 | 3, () => Promise<Hex>> = {
    1: async () => "0x",
    2: async () => compactSignature(await install()),
    3: async () => concatHex([terms.asset, terms.payees]),
  };
  return {
    ...draft,
    signature: concatHex([
      numberToHex(kind, { size: 1 }),
      agent.address,
      await signCommitment({ ...input, signer: agent }),
      numberToHex(commitment.validAfter, { size: 4 }),
      numberToHex(300, { size: 2 }),
      numberToHex(1, { size: 4 }),
      root,
      packTerms(terms, { exponent: 0, gasExponent: 11 }),
      await tails[kind](),
    ]),
  };
}

const target: Address = getAddress(`0x${"7a".repeat(20)}`);
const poke: Rule = {
  target,
  selector: toFunctionSelector("function poke(uint256)"),
  spends: 1n,
  conditions: [{ word: 0n, comparison: 1, operands: [3n] }],
};

/** A grant with everything in it, and two calls under it: a payment and a call by rule. */
export function ruled(salt: bigint) {
  const terms: Grant = {
    ...grant(salt),
    extras: {
      ...plainExtras,
      rules: ruleTree([poke]).root,
      approvers: pad(approver.address, { size: 32 }),
      ceiling: 50n,
      operations: 5n,
      operationsPerWindow: 2n,
      heartbeat: 86_400n,
    },
  };
  const limit = {
    grant: terms,
    policyId: policyIdOf(terms),
    terms: packTerms(terms, { exponent: 0, gasExponent: 11 }),
  } as CompiledLimit;
  const calls: readonly Call[] = [
    { to: payee, valueWei: 2n, data: "0x" },
    { to: target, valueWei: 0n, data: concatHex([poke.selector, pad("0x03", { size: 32 })]) },
  ];
  const proofs = [
    { path: [], rule: "0x" },
    { path: [], rule: encodeAbiParameters([ruleParameter], [poke]) },
  ] as const;
  return { limit, calls, proofs };
}

export const installOf = async (of: Address, terms: Grant): Promise<Hex> =>
  compactSignature(
    await owner.signTypedData({
      domain: accountDomain(localChainId, of),
      types: installTypes,
      primaryType: "Install",
      message: { grant: terms, epoch: 0n },
    }),
  );

export const approvalOf = (
  of: Address,
  { grant: { expiry }, policyId }: CompiledLimit,
  calls: readonly Call[],
) =>
  signApproval(
    approver,
    {
      chainId: localChainId,
      account: of,
      approver: approver.address,
      policyId,
      callData: encodeCalls(calls),
      nonce: 1n,
      deadline: expiry,
    },
    [],
  );

const fixedBundler: Bundler = {
  name: "fixed",
  gasPrice: async () => ({ maxFeePerGasWei: 1_000_000_000n, maxPriorityFeePerGasWei: 0n }),
  estimateGas: async () => ({
    callGasLimit: 200_000n,
    verificationGasLimit: 1_500_000n,
    preVerificationGas: 0n,
  }),
  send: () => Promise.reject(new Error("The test sends by itself.")),
};

export async function ruledOperation(
  sender: Address,
  limit: CompiledLimit,
  calls: readonly Call[],
  proofs: readonly CallProof[],
  parts: Partial<SignOperationInput>,
): Promise<PlainUserOp> {
  const now = Number((await chain.client.getBlock()).timestamp);
  const operation = await signOperation({
    chainId: localChainId,
    account: sender,
    signer: agent,
    limit,
    calls,
    proofs,
    nonce: laneOf(agent.address) << 64n,
    commitment: { validAfter: now - 60, validUntil: now + 240, treeSize: 1, treeRoot: root },
    bundler: fixedBundler,
    ...parts,
  });
  return fromUserOpJson(operation.userOp);
}

export const ownerDoes = (
  ...call: readonly [functionName: "grant" | "setCap" | "heartbeat", args: readonly unknown[]]
) => sendTransaction(chain, owner, ownerCall(account, ...call));

/** No violation, and then the EntryPoint takes it: how much the payee got. */
export async function paidBy(userOp: PlainUserOp): Promise<bigint> {
  const { factory, sender } = userOp;
  const trace = await traced(userOp);
  expect(trace.error).toBeUndefined();
  expect(await checkTrace(chain, trace, { entryPoint: entryPointAddress, sender, factory })).toEqual([]);
  const before = await chain.client.getBalance({ address: payee });
  await sendTransaction(chain, localFaucet, {
    to: entryPointAddress,
    data: handleOps(userOp),
    gas: 5_000_000n,
  });
  return (await chain.client.getBalance({ address: payee })) - before;
}

export const handleOps = (userOp: PlainUserOp): Hex =>
  encodeFunctionData({
    abi: entryPointAbi,
    functionName: "handleOps",
    args: [[packUserOp(userOp)], localFaucet.address],
  });

export async function traced(userOp: PlainUserOp): Promise<ValidationFrame> {
  const call = {
    from: localFaucet.address,
    to: entryPointAddress,
    data: handleOps(userOp),
    gas: toHex(10_000_000n),
  };
  return (await local.request({
    method: "debug_traceCall",
    params: [call, "latest", { tracer: "erc7562Tracer" }],
  })) as ValidationFrame;
}

export async function rulesOf(userOp: PlainUserOp): Promise<readonly string[]> {
  const parties = { entryPoint: entryPointAddress, sender: userOp.sender };
  const violations = await checkTrace(chain, await traced(userOp), parties);
  return violations.map(({ rule }) => rule);
}
