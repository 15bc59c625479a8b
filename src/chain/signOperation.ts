import {
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  getAbiItem,
  hexToBigInt,
  isAddressEqual,
  keccak256,
  numberToHex,
  toFunctionSelector,
  toHex,
  type Address,
  type Hex,
  type TypedDataDefinition,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Call, Operation } from "../core/operation.ts";
import type { CompiledLimit } from "../policy/compile.ts";
import { accountDomain, isPlain, operationTypes, ruledOperationTypes } from "../policy/grant.ts";
import type { CallProof } from "../policy/proveCalls.ts";
import { permissionSpenderAbi } from "./abi/permissionSpender.ts";
import { spendGrantAbi } from "./abi/spendGrant.ts";
import type { Bundler, GasPrice } from "./bundler/bundler.ts";
import { compactSignature } from "./compactSignature.ts";
import { ask, type Chain } from "./connectChain.ts";
import {
  entryPointAddress,
  fromUserOpJson,
  toUserOpJson,
  userOpHashOf,
  type PlainUserOp,
} from "./entryPoint.ts";
import { batchParameter, executeAbi, executeModes } from "./executeForm.ts";
import { FeeCapError, PaymasterError } from "./errors.ts";
import type { Paymaster, Sponsorship } from "./paymaster/paymaster.ts";
import { sponsorshipEnd } from "./paymaster/sponsorshipWindow.ts";
import { encodeRuledSignature, encodeTail, noApproval, type Approval } from "./ruledSignature.ts";

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
  /** None: an empty operation, which pays gas and commits decisions. */
  readonly calls: readonly Call[];
  /** One for each call (`proveCalls`). */
  readonly proofs: readonly CallProof[];
  readonly nonce: bigint;
  readonly commitment: Commitment;
  readonly bundler: Bundler;
  /** An approver's co-signature above the cap per call. */
  readonly approval?: Approval;
  /** 64 bytes of the owner's `Install`: the grant is made by this very operation. */
  readonly ownerSignature?: Hex;
  /** Makes the account first. */
  readonly deployment?: { readonly factory: Address; readonly factoryData: Hex };
  /**
   * Is there an operation of this hash already? The hash covers neither claim nor tree, so where gas prices stand still, a payment
   * that expired and is decided again would have its old hash.
   */
  readonly isTaken?: (userOpHash: Hex) => boolean;
  /** Pays the gas; has to be the grant's paymaster. Data that is known beforehand, or a service that is asked for them. */
  readonly sponsor?: Sponsorship | SponsorDesk;
};

/** A paymaster's service, and the chain on which its contract says until when it pays. */
export type SponsorDesk = { readonly chain: Chain; readonly service: Paymaster };

/** Longest claim the account accepts, in seconds. */
export const longestClaimSeconds = 300;

/** One lane per agent key: the EntryPoint's 192-bit nonce key is the key's own address. */
export const laneOf = (agent: Address): bigint => hexToBigInt(agent);

/** ERC-7579 `execute(bytes32,bytes)`, single call, revert on failure: the only calldata of kinds 1 and 2. */
export const encodeCall = (call: Call): Hex => encodeCalls([call]);

/**
 * The same for one call or a batch (mode 0x01, all or nothing); nothing at all for none. A call that asks the account for whom
 * it acts is a batch even alone (IAgentAccount.agentExecuting).
 */
export function encodeCalls(calls: readonly Call[]): Hex {
  const [first] = calls;
  if (!first) return "0x";
  const args =
    calls.length > 1 || asksWhoActs(first)
      ? ([executeModes.batch, encodeAbiParameters([batchParameter], [calls])] as const)
      : ([
          executeModes.single,
          concatHex([first.to, toHex(first.valueWei, { size: 32 }), first.data]),
        ] as const);
  return encodeFunctionData({ abi: executeAbi, functionName: "execute", args });
}

/** Functions that are for one agent of the account alone. */
const askingSelectors: ReadonlySet<Hex> = new Set(
  (["spend", "giveUp"] as const).flatMap((name) => [
    toFunctionSelector(getAbiItem({ abi: spendGrantAbi, name })),
    toFunctionSelector(getAbiItem({ abi: permissionSpenderAbi, name })),
  ]),
);

const asksWhoActs = ({ data }: Call): boolean => askingSelectors.has(data.slice(0, 10) as Hex);

/** The agent's signature field: kind 1, or 2 with the owner's, see contracts/interfaces/ISpendPolicy.sol. */
export function encodeSignature(input: {
  readonly agent: Address;
  /** 64 bytes, EIP-2098. */
  readonly signature: Hex;
  readonly commitment: Commitment;
  readonly terms: Hex;
  readonly payeeProof: readonly Hex[];
  /** 64 bytes of the owner's `Install`: the grant is made by this very operation. */
  readonly ownerSignature?: Hex;
}): Hex {
  const { commitment, ownerSignature = "0x" } = input;
  return concatHex([
    ownerSignature === "0x" ? "0x01" : "0x02",
    input.agent,
    input.signature,
    numberToHex(commitment.validAfter, { size: 4 }),
    numberToHex(commitment.validUntil - commitment.validAfter, { size: 2 }),
    numberToHex(commitment.treeSize, { size: 4 }),
    commitment.treeRoot,
    input.terms,
    ...input.payeeProof,
    ownerSignature,
  ]);
}

/** EIP-712 signature of the agent over (userOpHash, policyId, claim, tree), for kind 4 the tail too, in EIP-2098 form. */
export async function signCommitment(
  input: OperationMessage & { readonly signer: PrivateKeyAccount },
): Promise<Hex> {
  const data = operationTypedData(input);
  return compactSignature(await input.signer.signTypedData(data));
}

export type OperationMessage = {
  readonly chainId: number;
  readonly account: Address;
  readonly userOpHash: Hex;
  readonly policyId: Hex;
  readonly commitment: Commitment;
  /** What a signature of kind 4 ends with; undefined for the other kinds. */
  readonly tail?: Hex | undefined;
};

/** What the agent signs, as typed data. */
export function operationTypedData({
  account,
  chainId,
  commitment,
  policyId,
  tail,
  userOpHash,
}: OperationMessage): TypedDataDefinition {
  const domain = accountDomain(chainId, account);
  const message = {
    userOpHash,
    policyId,
    validAfter: BigInt(commitment.validAfter),
    validUntil: BigInt(commitment.validUntil),
    size: BigInt(commitment.treeSize),
    root: commitment.treeRoot,
  };
  return tail === undefined
    ? { domain, types: operationTypes, primaryType: "Operation", message }
    : {
        domain,
        types: ruledOperationTypes,
        primaryType: "RuledOperation",
        message: { ...message, tail: keccak256(tail) },
      };
}

/** How the agent says which grant it acts under: the short form where it does, kind 4 for all the rest. */
export type SignatureForm = {
  /** Kind 4 only. */
  readonly tail: Hex | undefined;
  encode(signature: Hex): Hex;
};

export function signatureForm(
  input: Pick<
    SignOperationInput,
    "limit" | "calls" | "proofs" | "commitment" | "approval" | "ownerSignature"
  > & {
    readonly sponsored: boolean;
  },
): SignatureForm {
  const { approval = noApproval, calls, commitment, limit, ownerSignature = "0x", proofs } = input;
  const { agent, asset, extras, payees } = limit.grant;
  const [proof] = proofs;
  const base = { agent, commitment, terms: limit.terms };
  if (
    isPlain(limit.grant) &&
    calls.length === 1 &&
    proof?.rule === "0x" &&
    approval === noApproval &&
    !input.sponsored
  )
    return {
      tail: undefined,
      encode: (signature) => encodeSignature({ ...base, signature, payeeProof: proof.path, ownerSignature }),
    };
  const tail = encodeTail({ asset, payees, extras, proofs, approval, ownerSignature });
  return { tail, encode: (signature) => encodeRuledSignature({ ...base, signature, tail }) };
}

/** A well-formed signature that no key made: estimation has to run the whole validation (ERC-4337), and can't be replayed. */
const stubSignature: Hex = concatHex([toHex(1n, { size: 32 }), toHex(1n, { size: 32 })]);

/** Gas estimate, then one signature. The result is complete: it is stored before anybody sees it. */
export async function signOperation(input: SignOperationInput): Promise<Operation> {
  const { account, bundler } = input;
  const fees = await bundler.gasPrice();
  const draft: PlainUserOp = {
    sender: account,
    nonce: input.nonce,
    callData: encodeCalls(input.calls),
    callGasLimit: 0n,
    verificationGasLimit: 0n,
    preVerificationGas: 0n,
    maxFeePerGas: fees.maxFeePerGasWei,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    signature: formOf(input).encode(stubSignature),
    ...input.deployment,
  };
  const stub = await stubOf(input, draft);
  const estimated = { ...draft, ...stub?.data };
  const userOp = { ...estimated, ...(await bundler.estimateGas(estimated)) };
  return complete(input, userOp, stub?.final ?? true);
}

/** Data for the estimate. `final`: they are good for sending, too. */
async function stubOf(
  { limit, sponsor }: Unsigned,
  draft: PlainUserOp,
): Promise<{ readonly data: Sponsorship; readonly final: boolean } | undefined> {
  if (!sponsor) return undefined;
  if (!("service" in sponsor)) return { data: sponsor, final: true };
  const { final, ...data } = await sponsor.service.stub(draft);
  requirePaymaster(limit, sponsor, data);
  return { data, final };
}

/** The chain would refuse any other (`PaymasterNotAllowed`). */
function requirePaymaster(
  { grant }: CompiledLimit,
  { service }: SponsorDesk,
  { paymaster }: Sponsorship,
): void {
  if (isAddressEqual(paymaster, grant.extras.paymaster)) return;
  throw new PaymasterError(
    service.name,
    "names a contract that the policy does not allow",
    `it names ${paymaster}, the policy ${grant.extras.paymaster}`,
    "Nothing was signed. Correct the paymaster in the configuration or in the policy.",
  );
}

type Unsigned = Omit<SignOperationInput, "bundler" | "nonce">;

/** The same operation with other fees: same nonce, calls, gas limits, claim and tree. The chain executes one of the two. */
export const signBump = (input: Unsigned, elder: Operation, fees: GasPrice): Promise<Operation> =>
  complete(
    input,
    {
      ...fromUserOpJson(elder.userOp),
      maxFeePerGas: fees.maxFeePerGasWei,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    },
    false,
  );

const formOf = (input: Unsigned): SignatureForm =>
  signatureForm({ ...input, sponsored: input.sponsor !== undefined });

/** @param sponsored its paymaster's data are good for sending */
async function complete(input: Unsigned, wanted: PlainUserOp, sponsored: boolean): Promise<Operation> {
  const { account, chainId, limit, signer } = input;
  let [userOp, commitment] = await sponsor(input, wanted, sponsored);
  let userOpHash = userOpHashOf(chainId, userOp);
  for (let extra = 1n; input.isTaken?.(userOpHash); extra++) {
    const other = { ...wanted, preVerificationGas: wanted.preVerificationGas + extra };
    [userOp, commitment] = await sponsor(input, other, sponsored);
    userOpHash = userOpHashOf(chainId, userOp);
  }
  if (!input.sponsor) refuseFee(userOp, limit.grant.feeCap);
  const form = formOf({ ...input, commitment });
  const signature = await signCommitment({
    chainId,
    account,
    signer,
    userOpHash,
    policyId: limit.policyId,
    commitment,
    tail: form.tail,
  });
  return Object.freeze({
    chainId,
    entryPoint: entryPointAddress,
    userOp: toUserOpJson({ ...userOp, signature: form.encode(signature) }),
    userOpHash,
    validAfter: commitment.validAfter,
    validUntil: commitment.validUntil,
    treeSize: commitment.treeSize,
    treeRoot: commitment.treeRoot,
  });
}

/**
 * Has the paymaster's service sign for exactly this operation. The claim ends when the sponsorship does, so that the account itself
 * refuses the operation from then on: nobody has to believe a paymaster that what it paid for is over.
 */
async function sponsor(
  { commitment, limit, sponsor: desk }: Unsigned,
  userOp: PlainUserOp,
  sponsored: boolean,
): Promise<readonly [PlainUserOp, Commitment]> {
  if (!desk || !("service" in desk)) return [userOp, commitment];
  const { chain, service } = desk;
  const data = sponsored ? {} : await service.sponsor(userOp as PlainUserOp & Sponsorship);
  const paidFor = { ...userOp, ...data } as PlainUserOp & Sponsorship;
  requirePaymaster(limit, desk, paidFor);
  const end = await sponsorshipEnd(chain, service.name, paidFor);
  if (end === undefined || end >= BigInt(commitment.validUntil)) return [paidFor, commitment];
  const { timestamp } = await ask(chain, () => chain.client.getBlock({ blockTag: "latest" }));
  if (end <= timestamp)
    throw new PaymasterError(
      service.name,
      "pays for an operation whose time is over",
      `it pays until ${end}, and the newest block is of ${timestamp}`,
    );
  return [paidFor, { ...commitment, validUntil: Number(end) }];
}

/** The chain would refuse it (`OverFeeCap`): not signed, for the figures are the bundler's, who earns by them. */
function refuseFee(userOp: PlainUserOp, feeCapWei: bigint): void {
  const gas = gasOf(userOp);
  const mostWei = gas * userOp.maxFeePerGas;
  if (mostWei > feeCapWei) throw new FeeCapError({ mostWei, feeCapWei, gas });
}

/** All the gas that an operation without a paymaster may use. */
export const gasOf = (
  userOp: Pick<PlainUserOp, "callGasLimit" | "verificationGasLimit" | "preVerificationGas">,
): bigint => userOp.callGasLimit + userOp.verificationGasLimit + userOp.preVerificationGas;
