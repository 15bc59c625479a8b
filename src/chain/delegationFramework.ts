import {
  decodeAbiParameters,
  encodeAbiParameters,
  encodeFunctionData,
  encodePacked,
  erc20Abi,
  hashStruct,
  parseAbi,
  parseAbiParameters,
  type Address,
  type Hex,
} from "viem";

// The Delegation Framework (github.com/MetaMask/delegation-framework, 1.3), as far as it is needed here: contracts/interfaces/IDelegationManager.sol.

/** The manager (ERC-7710), and the enforcer that counts an ERC-20's periods. */
export const delegationManagerAbi = parseAbi([
  "function redeemDelegations(bytes[] permissionContexts, bytes32[] modes, bytes[] executionCallDatas)",
  "function disabledDelegations(bytes32 delegationHash) view returns (bool)",
]);
export const periodEnforcerAbi = parseAbi([
  "function getAvailableAmount(bytes32 delegationHash, address delegationManager, bytes terms) view returns (uint256 available, bool isNewPeriod, uint256 currentPeriod)",
]);

/** What each enforcer is asked before the account acts: it reverts to refuse. */
export const enforcerAbi = parseAbi([
  "function beforeHook(bytes terms, bytes args, bytes32 mode, bytes executionCallData, bytes32 delegationHash, address delegator, address redeemer)",
]);

export type FrameworkCaveat = { readonly enforcer: Address; readonly terms: Hex; readonly args: Hex };
export type FrameworkDelegation = {
  readonly delegate: Address;
  readonly delegator: Address;
  readonly authority: Hex;
  readonly caveats: readonly FrameworkCaveat[];
  readonly salt: bigint;
  readonly signature: Hex;
};

/** Authority of a delegation that no other one stands behind. */
export const rootAuthority: Hex = `0x${"ff".repeat(32)}`;

const contextParameters = parseAbiParameters([
  "Delegation[] delegations",
  "struct Delegation { address delegate; address delegator; bytes32 authority; Caveat[] caveats; uint256 salt; bytes signature; }",
  "struct Caveat { address enforcer; bytes terms; bytes args; }",
]);

/** EIP-712 types of a delegation: the signature and the caveats' arguments are no part of what is signed. */
const delegationTypes = {
  Delegation: [
    { name: "delegate", type: "address" },
    { name: "delegator", type: "address" },
    { name: "authority", type: "bytes32" },
    { name: "caveats", type: "Caveat[]" },
    { name: "salt", type: "uint256" },
  ],
  Caveat: [
    { name: "enforcer", type: "address" },
    { name: "terms", type: "bytes" },
  ],
} as const;

/** The delegations in a permission's context; undefined for bytes that are not exactly their encoding. */
export function delegationsIn(context: Hex): readonly FrameworkDelegation[] | undefined {
  try {
    const [delegations] = decodeAbiParameters(contextParameters, context);
    return encodeAbiParameters(contextParameters, [delegations]) === context.toLowerCase()
      ? delegations
      : undefined;
  } catch {
    return undefined;
  }
}

/** The hash by which manager and enforcers know a delegation: EIP-712 hashStruct, without the domain. */
export const delegationHash = (delegation: FrameworkDelegation): Hex =>
  hashStruct({ data: delegation, types: delegationTypes, primaryType: "Delegation" });

/** A transfer of an ERC-20 token as an ERC-7579 execution of one call. */
export const transferExecution = (token: Address, to: Address, amountUnits: bigint): Hex =>
  encodePacked(
    ["address", "uint256", "bytes"],
    [token, 0n, encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, amountUnits] })],
  );

/** Terms of the enforcer of an ERC-20's periods. */
export const periodTerms = (terms: {
  readonly token: Address;
  readonly perPeriod: bigint;
  readonly period: number;
  readonly start: number;
}): Hex =>
  encodePacked(
    ["address", "uint256", "uint256", "uint256"],
    [terms.token, terms.perPeriod, BigInt(terms.period), BigInt(terms.start)],
  );

/** Terms of the enforcer of time: nothing from `expiry` on, in unix seconds. */
export const expiryTerms = (expiry: number): Hex =>
  encodePacked(["uint128", "uint128"], [0n, BigInt(expiry)]);

/** Terms of the enforcer of native coin: none goes along. */
export const noValueTerms: Hex = `0x${"00".repeat(32)}`;
