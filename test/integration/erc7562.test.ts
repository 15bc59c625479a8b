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
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { agentAccountFactoryAbi } from "../../src/chain/abi/agentAccountFactory.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { checkValidation, validationFrame, type ValidationFrame } from "../../src/chain/bundler/erc7562.ts";
import { compactSignature } from "../../src/chain/compactSignature.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import {
  agentAccountFactoryDeployment,
  ensureAccount,
  ensureContracts,
  sendTransaction,
} from "../../src/chain/deploy.ts";
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

const [owner, agent, approver] = ["owner", "agent", "approver"].map((name) =>
  privateKeyToAccount(keccak256(toHex(name))),
) as [PrivateKeyAccount, PrivateKeyAccount, PrivateKeyAccount];
const payee: Address = "0x00000000000000000000000000000000000A11cE";
const root: Hex = keccak256(toHex("tree"));

let local: LocalChain;
let chain: Chain;
let account: Address;

beforeAll(async () => {
  local = await startLocalChain();
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  account = await ensureAccount(chain, localFaucet, owner.address, 0n);
  await local.request({ method: "hardhat_setBalance", params: [owner.address, toHex(10n ** 20n)] });
  await local.request({ method: "hardhat_setBalance", params: [account, toHex(10n ** 20n)] });
});
afterAll(() => local.close());

const grant = (salt: bigint): Grant => ({
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
const plain = (sender: Address, part: Partial<PlainUserOp>): PlainUserOp => ({
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
async function operation(kind: 1 | 2 | 3, terms: Grant): Promise<PlainUserOp> {
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
let ruledSalt = 500;

/** A grant with everything in it, and two calls under it: a payment and a call by rule. */
function ruled(salt: bigint) {
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

const installOf = async (of: Address, terms: Grant): Promise<Hex> =>
  compactSignature(
    await owner.signTypedData({
      domain: accountDomain(localChainId, of),
      types: installTypes,
      primaryType: "Install",
      message: { grant: terms, epoch: 0n },
    }),
  );

const approvalOf = (of: Address, { grant: { expiry }, policyId }: CompiledLimit, calls: readonly Call[]) =>
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

async function ruledOperation(
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

const ownerDoes = (
  ...call: readonly [functionName: "grant" | "setCap" | "heartbeat", args: readonly unknown[]]
) => sendTransaction(chain, owner, ownerCall(account, ...call));

/** No violation, and then the EntryPoint takes it: how much the payee got. */
async function paidBy(userOp: PlainUserOp): Promise<bigint> {
  const { factory, sender } = userOp;
  const trace = await traced(userOp);
  expect(trace.error).toBeUndefined();
  expect(checkValidation(trace, { entryPoint: entryPointAddress, sender, factory })).toEqual([]);
  const before = await chain.client.getBalance({ address: payee });
  await sendTransaction(chain, localFaucet, {
    to: entryPointAddress,
    data: handleOps(userOp),
    gas: 5_000_000n,
  });
  return (await chain.client.getBalance({ address: payee })) - before;
}

const handleOps = (userOp: PlainUserOp): Hex =>
  encodeFunctionData({
    abi: entryPointAbi,
    functionName: "handleOps",
    args: [[packUserOp(userOp)], localFaucet.address],
  });

async function traced(userOp: PlainUserOp): Promise<ValidationFrame> {
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

const rulesOf = async (userOp: PlainUserOp): Promise<readonly string[]> =>
  checkValidation(await traced(userOp), { entryPoint: entryPointAddress, sender: userOp.sender }).map(
    ({ rule }) => rule,
  );

describe("checkValidation on real traces", () => {
  it.each([
    ["steady", 1],
    ["grant-inside", 2],
    ["empty", 3],
  ] as const)("finds nothing in a %s operation, which the chain then takes", async (_, kind) => {
    const terms = grant(BigInt(kind));
    if (kind !== 2)
      await sendTransaction(chain, owner, {
        to: account,
        data: encodeFunctionData({ abi: agentAccountAbi, functionName: "grant", args: [terms] }),
      });
    const snapshot = await local.request({ method: "evm_snapshot" });
    const userOp = await operation(kind, terms);
    const trace = await traced(userOp);
    expect(validationFrame(trace, account)?.error).toBeUndefined();
    expect(trace.error).toBeUndefined();
    expect(checkValidation(trace, { entryPoint: entryPointAddress, sender: account })).toEqual([]);
    await sendTransaction(chain, localFaucet, { to: entryPointAddress, data: handleOps(userOp) });
    await local.request({ method: "evm_revert", params: [snapshot] });
  });

  it.each(["batch with a rule", "approval", "grant inside", "operations", "cap", "heartbeat"] as const)(
    "finds nothing in a kind 4 operation (%s), which the chain then takes",
    async (what) => {
      const snapshot = await local.request({ method: "evm_snapshot" });
      const inside = what === "grant inside";
      const { calls, limit, proofs } = ruled(BigInt(ruledSalt++));
      if (!inside) await ownerDoes("grant", [limit.grant]);
      if (what === "cap") await ownerDoes("setCap", [zeroAddress, 1000n, 14_400n]);
      await ownerDoes("heartbeat", []);
      const paid = await paidBy(
        await ruledOperation(account, limit, calls, proofs, {
          ...(what === "approval" ? { approval: await approvalOf(account, limit, calls) } : {}),
          ...(inside ? { ownerSignature: await installOf(account, limit.grant) } : {}),
        }),
      );
      expect(paid).toBe(2n);
      await local.request({ method: "evm_revert", params: [snapshot] });
    },
  );

  it.each([
    ["plain", 2],
    ["full", 4],
  ] as const)(
    "finds nothing when one operation makes the account, brings a %s grant and pays",
    async (what, kind) => {
      const args = [owner.address, BigInt(kind)] as const;
      const factory = agentAccountFactoryDeployment.address;
      const made = await chain.client.readContract({
        address: factory,
        abi: agentAccountFactoryAbi,
        functionName: "getAddress",
        args,
      });
      await local.request({ method: "hardhat_setBalance", params: [made, toHex(10n ** 20n)] });
      const full = ruled(BigInt(900 + kind));
      // The owner of an account to be was never heard of.
      const extras = what === "full" ? { ...full.limit.grant.extras, heartbeat: 0n } : plainExtras;
      const terms = { ...full.limit.grant, extras };
      const limit = { ...full.limit, grant: terms, policyId: policyIdOf(terms) };
      const count = what === "full" ? 2 : 1;
      const userOp = await ruledOperation(
        made,
        limit,
        full.calls.slice(0, count),
        full.proofs.slice(0, count),
        {
          ownerSignature: await installOf(made, terms),
          deployment: {
            factory,
            factoryData: encodeFunctionData({
              abi: agentAccountFactoryAbi,
              functionName: "createAccount",
              args,
            }),
          },
        },
      );
      expect(userOp.signature.slice(0, 4)).toBe(`0x0${kind}`);
      expect(await paidBy(userOp)).toBe(2n);
    },
  );

  it("tells a factory that a second contract is one too many", () => {
    const trace: ValidationFrame = {
      type: "CALL",
      to: entryPointAddress.toLowerCase(),
      input: "0x",
      calls: [
        { type: "CALL", to: "0xfa", input: "0x", usedOpcodes: { "0xf5": 2 } },
        { type: "CALL", to: account.toLowerCase(), input: "0x19822f7c" },
      ],
    };
    const parties = { entryPoint: entryPointAddress, sender: account, factory: "0xfa" } as const;
    expect(checkValidation(trace, parties)).toMatchObject([{ rule: "OP-011" }]);
  });

  // Accounts of a few bytes each, whose validateUserOp agrees to everything after it did one thing.
  const store = getAddress(`0x${"57".repeat(20)}`);
  const selector = toFunctionSelector("function getNonce(address,uint192)").slice(2);
  const callOf = (to: Address, value: 0 | 1) => `5f5f5f5f60${value ? "01" : "00"}73${to.slice(2)}5af150`;
  it.each([
    ["does nothing else", "", []],
    ["reads the time", "4250", ["OP-011"]],
    ["reads its balance", "4750", ["OP-011"]],
    ["reads the price of gas", "3a50", ["OP-011"]],
    ["makes a contract", "5f5f5ff050", ["OP-011"]],
    ["looks at the gas left", "5a50", ["OP-012"]],
    ["reads a slot of somebody else", callOf(store, 0), ["STO-021"]],
    ["sends money to somebody else", callOf(store, 1), ["OP-061", "STO-021"]],
    [
      "asks the EntryPoint",
      `63${selector}60e01b5f525f5f60445f5f73${entryPointAddress.slice(2)}5af150`,
      ["OP-053"],
    ],
  ] as const)("judges an account that %s", async (_, code, rules) => {
    const bad = getAddress(`0x${keccak256(toHex(code)).slice(26)}`);
    const agree = "5f5f5260205ff3";
    await local.request({ method: "hardhat_setCode", params: [store, "0x5f545f5260205ff3"] });
    await local.request({ method: "hardhat_setCode", params: [bad, `0x${code}${agree}`] });
    await local.request({ method: "hardhat_setBalance", params: [bad, toHex(10n ** 20n)] });
    expect([...new Set(await rulesOf(plain(bad, { maxFeePerGas: 0n })))].toSorted()).toEqual(rules);
  });
});
