import {
  concatHex,
  encodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  hexToBigInt,
  keccak256,
  numberToHex,
  pad,
  parseAbi,
  parseAbiParameters,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  sliceHex,
  toHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { spendPolicyValidatorAbi } from "../../src/chain/abi/spendPolicyValidator.ts";
import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { checkTrace } from "../../src/chain/bundler/checkTrace.ts";
import { validationFrame, type ValidationFrame } from "../../src/chain/bundler/erc7562.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import {
  create2Deployer,
  ensureContracts,
  ensureDeployed,
  sendTransaction,
  spendPolicyValidatorDeployment,
} from "../../src/chain/deploy.ts";
import { entryPointAddress, packUserOp, userOpHashOf, type PlainUserOp } from "../../src/chain/entryPoint.ts";
import { encodeCall } from "../../src/chain/signOperation.ts";
import {
  approvalTypes,
  installTypes,
  operationTypes,
  packTerms,
  plainExtras,
  policyIdOf,
  validatorDomain,
  type Grant,
} from "../../src/policy/grant.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { ozAccountBytecode } from "../accounts/bytecode.ts";

// The module on OpenZeppelin's account: its storage is not the account's, and may be touched in validation all the same.

const person = (name: string): PrivateKeyAccount => privateKeyToAccount(keccak256(toHex(name)));
const [owner, agent, approver] = [person("owner"), person("agent"), person("approver")];
const payee: Address = "0x00000000000000000000000000000000000A11cE";
const root: Hex = keccak256(toHex("tree"));
const module = spendPolicyValidatorDeployment.address;
const accountAbi = parseAbi([
  "constructor(address entryPoint)",
  "function initialize(address root, address module, bytes data)",
]);

let local: LocalChain;
let chain: Chain;
let account: Address;

beforeAll(async () => {
  local = await startLocalChain();
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, spendPolicyValidatorDeployment);
  const implementation = await make(
    encodeDeployData({ abi: accountAbi, bytecode: ozAccountBytecode, args: [entryPointAddress] }),
  );
  account = await make(
    concatHex([
      "0x3d602d80600a3d3981f3363d3d373d3d3d363d73",
      implementation,
      "0x5af43d82803e903d91602b57fd5bf3",
    ]),
  );
  await sendTransaction(chain, localFaucet, {
    to: account,
    data: encodeFunctionData({
      abi: accountAbi,
      functionName: "initialize",
      args: [owner.address, module, owner.address],
    }),
  });
  for (const rich of [owner.address, account])
    await local.request({ method: "hardhat_setBalance", params: [rich, toHex(10n ** 20n)] });
});
afterAll(() => local.close());

const make = (initCode: Hex): Promise<Address> =>
  ensureDeployed(chain, localFaucet, {
    address: getCreate2Address({ from: create2Deployer, salt: `0x${"00".repeat(32)}`, bytecode: initCode }),
    initCode,
  });

const domain = () => validatorDomain(localChainId, module, account);
const compact = (signature: Hex): Hex =>
  serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));

const grantOf = (kind: number): Grant => ({
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
  salt: BigInt(kind),
  extras:
    kind === 4
      ? {
          ...plainExtras,
          operations: 9n,
          operationsPerWindow: 3n,
          approvers: pad(approver.address),
          ceiling: 20n,
        }
      : plainExtras,
});

const tailType = parseAbiParameters([
  "Tail tail",
  "struct Tail { address asset; bytes32 payees; Extras extras; CallProof[] proofs; Approval approval; bytes ownerSignature; }",
  "struct Extras { bytes32 rules; uint256 functions; bytes32 approvers; uint256 ceiling; uint256 operations; uint256 operationsPerWindow; address paymaster; uint256 heartbeat; }",
  "struct CallProof { bytes32[] path; bytes rule; }",
  "struct Approval { address approver; bytes32[] path; uint256 nonce; uint256 deadline; bytes signature; }",
]);

const signInstall = async (grant: Grant): Promise<Hex> =>
  compact(
    await owner.signTypedData({
      domain: domain(),
      types: installTypes,
      primaryType: "Install",
      message: { grant, epoch: 0n },
    }),
  );

/** What the signature ends with: 1 steady, 2 with the owner's grant inside, 3 empty, 4 with the grant and a co-signature inside. */
async function tailOf(kind: number, grant: Grant, callData: Hex): Promise<Hex> {
  if (kind === 1) return "0x";
  if (kind === 2) return signInstall(grant);
  if (kind === 3) return concatHex([grant.asset, grant.payees]);
  const message = {
    approver: approver.address,
    policyId: policyIdOf(grant),
    callHash: keccak256(callData),
    nonce: 1n,
    deadline: grant.expiry,
  };
  const signature = compact(
    await approver.signTypedData({
      domain: domain(),
      types: approvalTypes,
      primaryType: "Approval",
      message,
    }),
  );
  return encodeAbiParameters(tailType, [
    {
      asset: grant.asset,
      payees: grant.payees,
      extras: grant.extras,
      proofs: [{ path: [], rule: "0x" }],
      approval: { ...message, path: [], signature },
      ownerSignature: await signInstall(grant),
    },
  ]);
}

async function operation(kind: number, grant: Grant): Promise<PlainUserOp> {
  const now = Number((await chain.client.getBlock()).timestamp);
  const callData = kind === 3 ? "0x" : encodeCall({ to: payee, valueWei: kind === 4 ? 20n : 5n, data: "0x" });
  const unsigned: PlainUserOp = {
    sender: account,
    nonce: hexToBigInt(concatHex([module, sliceHex(agent.address, 0, 4)])) << 64n,
    callData,
    callGasLimit: 100_000n,
    verificationGasLimit: 1_000_000n,
    preVerificationGas: 0n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 0n,
    signature: "0x",
  };
  const tail = await tailOf(kind, grant, callData);
  const message = {
    userOpHash: userOpHashOf(localChainId, unsigned),
    policyId: policyIdOf(grant),
    validAfter: BigInt(now - 60),
    validUntil: BigInt(now + 240),
    size: 1n,
    root,
  };
  const signature =
    kind === 4
      ? await agent.signTypedData({
          domain: domain(),
          types: { RuledOperation: [...operationTypes.Operation, { name: "tail", type: "bytes32" }] },
          primaryType: "RuledOperation",
          message: { ...message, tail: keccak256(tail) },
        })
      : await agent.signTypedData({
          domain: domain(),
          types: operationTypes,
          primaryType: "Operation",
          message,
        });
  return {
    ...unsigned,
    signature: concatHex([
      numberToHex(kind, { size: 1 }),
      agent.address,
      compact(signature),
      numberToHex(now - 60, { size: 4 }),
      numberToHex(300, { size: 2 }),
      numberToHex(1, { size: 4 }),
      root,
      packTerms(grant, { exponent: 0, gasExponent: 11 }),
      tail,
    ]),
  };
}

const asOwner = (data: Hex) => sendTransaction(chain, owner, { to: module, data });

const handleOps = (userOp: PlainUserOp): Hex =>
  encodeFunctionData({
    abi: entryPointAbi,
    functionName: "handleOps",
    args: [[packUserOp(userOp)], localFaucet.address],
  });

describe("checkValidation on the module", () => {
  it.each([
    ["steady", 1],
    ["grant-inside", 2],
    ["empty", 3],
    ["ruled and co-signed", 4],
  ] as const)("finds nothing in a %s operation, which the chain then takes", async (_, kind) => {
    const snapshot = await local.request({ method: "evm_snapshot" });
    const grant = grantOf(kind);
    if (kind === 1 || kind === 3)
      await asOwner(
        encodeFunctionData({ abi: spendPolicyValidatorAbi, functionName: "grant", args: [account, grant] }),
      );
    // With a cap, so that its word is touched too.
    await asOwner(
      encodeFunctionData({
        abi: spendPolicyValidatorAbi,
        functionName: "setCap",
        args: [account, zeroAddress, 100n, 14_400n],
      }),
    );
    const userOp = await operation(kind, grant);
    const trace = (await local.request({
      method: "debug_traceCall",
      params: [
        {
          from: localFaucet.address,
          to: entryPointAddress,
          data: handleOps(userOp),
          gas: toHex(10_000_000n),
        },
        "latest",
        { tracer: "erc7562Tracer" },
      ],
    })) as ValidationFrame;
    expect(validationFrame(trace, account)?.error).toBeUndefined();
    expect(trace.error).toBeUndefined();
    const parties = { entryPoint: entryPointAddress, sender: account };
    expect(await checkTrace(chain, trace, parties)).toEqual([]);
    const before = await chain.client.getBalance({ address: payee });
    await sendTransaction(chain, localFaucet, { to: entryPointAddress, data: handleOps(userOp) });
    const paid = (await chain.client.getBalance({ address: payee })) - before;
    expect(paid).toBe({ 1: 5n, 2: 5n, 3: 0n, 4: 20n }[kind]);
    await local.request({ method: "evm_revert", params: [snapshot] });
  });
});
