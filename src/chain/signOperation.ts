import { encode7579Calls } from "permissionless/utils";
import {
  concatHex,
  hexToBigInt,
  numberToHex,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  toHex,
  type Address,
  type Hex,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Call, Operation } from "../core/operation.ts";
import { accountDomain, operationTypes } from "../policy/grant.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import type { Bundler } from "./bundler/bundler.ts";
import { entryPointAddress, toUserOpJson, userOpHashOf, type PlainUserOp } from "./entryPoint.ts";

/** What the agent commits to beside the userOpHash: when the operation may run, and the tree that ends with its decision. */
export type Commitment = {
  readonly validAfter: number;
  readonly validUntil: number;
  readonly treeSize: number;
  readonly treeRoot: Hex;
};

export type SignOperationInput = {
  readonly chainId: number;
  readonly account: Address;
  readonly signer: PrivateKeyAccount;
  readonly limit: CompiledLimit;
  readonly call: Call;
  /** Sibling hashes that lead from the payee to the policy's payee root. */
  readonly payeeProof: readonly Hex[];
  readonly nonce: bigint;
  readonly commitment: Commitment;
  readonly bundler: Bundler;
};

/** Longest claim the account accepts, in seconds. */
export const longestClaimSeconds = 300;

/** One lane per agent key: the EntryPoint's 192-bit nonce key is the key's own address. */
export const laneOf = (agent: Address): bigint => hexToBigInt(agent);

/** ERC-7579 `execute(bytes32,bytes)`, single call, revert on failure: the only calldata an agent may sign. */
export function encodeCall(call: Call): Hex {
  return encode7579Calls({
    mode: { type: "call", revertOnError: false, selector: "0x", context: "0x" },
    callData: [{ to: call.to, value: call.valueWei, data: call.data }],
  });
}

const compact = (signature: Hex): Hex =>
  serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));

/** The agent's signature field: kind 1, see contracts/interfaces/IAgentAccount.sol. */
export function encodeSignature(input: {
  readonly agent: Address;
  /** 64 bytes, EIP-2098. */
  readonly signature: Hex;
  readonly commitment: Commitment;
  readonly terms: Hex;
  readonly payeeProof: readonly Hex[];
}): Hex {
  const { commitment } = input;
  return concatHex([
    "0x01",
    input.agent,
    input.signature,
    numberToHex(commitment.validAfter, { size: 4 }),
    numberToHex(commitment.validUntil - commitment.validAfter, { size: 2 }),
    numberToHex(commitment.treeSize, { size: 4 }),
    commitment.treeRoot,
    input.terms,
    ...input.payeeProof,
  ]);
}

/** EIP-712 signature of the agent over (userOpHash, policyId, claim, tree), in EIP-2098 form. */
export async function signCommitment(input: {
  readonly chainId: number;
  readonly account: Address;
  readonly signer: PrivateKeyAccount;
  readonly userOpHash: Hex;
  readonly policyId: Hex;
  readonly commitment: Commitment;
}): Promise<Hex> {
  const { commitment } = input;
  return compact(
    await input.signer.signTypedData({
      domain: accountDomain(input.chainId, input.account),
      types: operationTypes,
      primaryType: "Operation",
      message: {
        userOpHash: input.userOpHash,
        policyId: input.policyId,
        validAfter: BigInt(commitment.validAfter),
        validUntil: BigInt(commitment.validUntil),
        size: BigInt(commitment.treeSize),
        root: commitment.treeRoot,
      },
    }),
  );
}

/** A well-formed signature that no key made: estimation has to run the whole validation (ERC-4337), and can't be replayed. */
const stubSignature: Hex = concatHex([toHex(1n, { size: 32 }), toHex(1n, { size: 32 })]);

/** Gas estimate, then one signature. The result is complete: it is stored before anybody sees it. */
export async function signOperation(input: SignOperationInput): Promise<Operation> {
  const { account, bundler, chainId, commitment, limit, signer } = input;
  const field = (signature: Hex) =>
    encodeSignature({
      agent: signer.address,
      signature,
      commitment,
      terms: limit.terms,
      payeeProof: input.payeeProof,
    });
  const fees = await bundler.gasPrice();
  const draft: PlainUserOp = {
    sender: account,
    nonce: input.nonce,
    callData: encodeCall(input.call),
    callGasLimit: 0n,
    verificationGasLimit: 0n,
    preVerificationGas: 0n,
    maxFeePerGas: fees.maxFeePerGasWei,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    signature: field(stubSignature),
  };
  const gas = await bundler.estimateGas(draft);
  const userOp = { ...draft, ...gas };
  const userOpHash = userOpHashOf(chainId, userOp);
  const signature = await signCommitment({
    chainId,
    account,
    signer,
    userOpHash,
    policyId: limit.policyId,
    commitment,
  });
  return Object.freeze({
    chainId,
    entryPoint: entryPointAddress,
    userOp: toUserOpJson({ ...userOp, signature: field(signature) }),
    userOpHash,
    validAfter: commitment.validAfter,
    validUntil: commitment.validUntil,
    treeSize: commitment.treeSize,
    treeRoot: commitment.treeRoot,
  });
}
