import { hashTypedData, keccak256, stringToHex, type Address, type Hex } from "viem";

/**
 * What a payer signs so that an agent may spend one token out of his account: contracts/interfaces/ISpendGrant.sol says what
 * each field means. Amounts are base units of `token`, times are unix seconds, `window` is seconds.
 */
export type SpendGrant = {
  readonly account: Address;
  readonly agent: Address;
  readonly agentKey: Address;
  readonly token: Address;
  readonly perCall: bigint;
  readonly perWindow: bigint;
  readonly window: number;
  readonly total: bigint;
  /** Exclusive. */
  readonly validAfter: number;
  /** Inclusive. */
  readonly validUntil: number;
  /** Ascending. */
  readonly payees: readonly Address[];
  readonly anyPayee: boolean;
  readonly epoch: bigint;
  readonly salt: bigint;
  readonly purpose: string;
  readonly policyHash: Hex;
};

/** The EIP-712 types, in the order of the contract's. */
export const spendGrantTypes = {
  AgentSpendGrant: [
    { name: "account", type: "address" },
    { name: "agent", type: "address" },
    { name: "agentKey", type: "address" },
    { name: "token", type: "address" },
    { name: "perCall", type: "uint160" },
    { name: "perWindow", type: "uint160" },
    { name: "window", type: "uint48" },
    { name: "total", type: "uint160" },
    { name: "validAfter", type: "uint48" },
    { name: "validUntil", type: "uint48" },
    { name: "payees", type: "address[]" },
    { name: "anyPayee", type: "bool" },
    { name: "epoch", type: "uint64" },
    { name: "salt", type: "uint256" },
    { name: "purpose", type: "string" },
    { name: "policyHash", type: "bytes32" },
  ],
} as const;

/** @param contract Address of the SpendGrant contract. */
export const spendGrantDomain = (chainId: number, contract: Address) =>
  ({ name: "Bursar SpendGrant", version: "1", chainId, verifyingContract: contract }) as const;

/** The digest that the payer signs, and the grant's name in the contract. */
export const spendGrantHash = (grant: SpendGrant, chainId: number, contract: Address): Hex =>
  hashTypedData({
    domain: spendGrantDomain(chainId, contract),
    types: spendGrantTypes,
    primaryType: "AgentSpendGrant",
    message: grant,
  });

/** The grant as the contract's functions take it: with the hash of the purpose, whose words are the wallet's to show. */
export const spendGrantArgument = (grant: SpendGrant) => ({
  ...grant,
  purpose: keccak256(stringToHex(grant.purpose)),
});
