import { hashStruct, numberToHex, pad, zeroAddress, zeroHash, type Address, type Hex } from "viem";

/** Functions of an ERC-20 asset that a grant may allow beside `transfer`, as bits of `Extras.functions`. */
export const functionBits = { transferFrom: 1n, approve: 2n, increaseAllowance: 4n, permit: 8n } as const;

/** What a grant says beyond payments by plain transfer. Each value means "nothing of the kind" when it is zero. */
export type Extras = {
  /** Root of the tree of call rules. */
  readonly rules: Hex;
  /** Sum of `functionBits`. */
  readonly functions: bigint;
  /** Root of the payee tree over the approvers' addresses. */
  readonly approvers: Hex;
  /** Base units one operation may pay with an approver's co-signature; the window still holds. */
  readonly ceiling: bigint;
  /** Most operations with calls, ever; below 2^24. */
  readonly operations: bigint;
  /** Most operations with calls in any rolling window; below 2^16. */
  readonly operationsPerWindow: bigint;
  /** The one paymaster that may sponsor; what it pays for touches neither gas budget nor fee cap. */
  readonly paymaster: Address;
  /** Seconds after the owner's last heartbeat for which the agent may act. */
  readonly heartbeat: bigint;
};

export const plainExtras: Extras = Object.freeze({
  rules: zeroHash,
  functions: 0n,
  approvers: zeroHash,
  ceiling: 0n,
  operations: 0n,
  operationsPerWindow: 0n,
  paymaster: zeroAddress,
  heartbeat: 0n,
});

/**
 * What the owner signs and the chain enforces, in full values: amounts in base units, `bucket` in seconds (the rolling
 * window is six buckets), `expiry` in unix seconds (inclusive), gas in wei. `asset` 0x0 is the native coin.
 */
export type Grant = {
  readonly agent: Address;
  readonly asset: Address;
  readonly payees: Hex;
  readonly perCall: bigint;
  readonly perWindow: bigint;
  readonly lifetime: bigint;
  readonly bucket: bigint;
  readonly gasBudget: bigint;
  readonly feeCap: bigint;
  readonly expiry: bigint;
  readonly salt: bigint;
  readonly extras: Extras;
};

/** Only a plain grant may use the short signatures (kinds 1 to 3); any grant may use kind 4. */
export const isPlain = ({ extras }: Grant): boolean =>
  Object.values(extras).every((value) => BigInt(value) === 0n);

/** Powers of ten the counters are kept in: amounts are whole multiples, so a cap can be spent exactly. */
export type GrantUnits = { readonly exponent: number; readonly gasExponent: number };

/** The smallest power of ten with which every amount, rounded down, fits in its bits. */
export function leastExponent(amounts: readonly (readonly [bigint, number])[]): number {
  let exponent = 0;
  while (!amounts.every(([value, bits]) => value / 10n ** BigInt(exponent) < 1n << BigInt(bits))) exponent++;
  return exponent;
}

/**
 * Twin of `TermsLibrary.pack`: the one pair of units that a grant's counters are kept in; undefined when its numbers do
 * not fit 24 bytes without rounding (`TermsNotRepresentable`).
 */
export function unitsOf(grant: Grant): GrantUnits | undefined {
  const { perCall, perWindow, lifetime, gasBudget, feeCap } = grant;
  const exponent = leastExponent([
    [perCall, 16],
    [perWindow, 16],
    [lifetime, 24],
  ]);
  const gasExponent = leastExponent([
    [gasBudget, 24],
    [feeCap, 24],
  ]);
  const [unit, gasUnit] = [10n ** BigInt(exponent), 10n ** BigInt(gasExponent)];
  const fits =
    exponent < 64 &&
    gasExponent < 64 &&
    [perCall, perWindow, lifetime].every((value) => value % unit === 0n) &&
    [gasBudget, feeCap].every((value) => value % gasUnit === 0n) &&
    grant.bucket < 1n << 24n &&
    grant.expiry < 1n << 32n &&
    grant.salt < 1n << 20n;
  return fits ? { exponent, gasExponent } : undefined;
}

/** Twin of `SpendPolicy.requireExtras`. */
export const extrasFit = ({ functions, operations, operationsPerWindow, heartbeat }: Extras): boolean =>
  functions < 16n && operations < 1n << 24n && operationsPerWindow < 1n << 16n && heartbeat < 1n << 32n;

/** EIP-712 types of contracts/interfaces/ISpendPolicy.sol. */
export const grantTypes = {
  Grant: [
    { name: "agent", type: "address" },
    { name: "asset", type: "address" },
    { name: "payees", type: "bytes32" },
    { name: "perCall", type: "uint256" },
    { name: "perWindow", type: "uint256" },
    { name: "lifetime", type: "uint256" },
    { name: "bucket", type: "uint256" },
    { name: "gasBudget", type: "uint256" },
    { name: "feeCap", type: "uint256" },
    { name: "expiry", type: "uint256" },
    { name: "salt", type: "uint256" },
    { name: "extras", type: "Extras" },
  ],
  Extras: [
    { name: "rules", type: "bytes32" },
    { name: "functions", type: "uint256" },
    { name: "approvers", type: "bytes32" },
    { name: "ceiling", type: "uint256" },
    { name: "operations", type: "uint256" },
    { name: "operationsPerWindow", type: "uint256" },
    { name: "paymaster", type: "address" },
    { name: "heartbeat", type: "uint256" },
  ],
} as const;

export const installTypes = {
  ...grantTypes,
  Install: [
    { name: "grant", type: "Grant" },
    { name: "epoch", type: "uint256" },
  ],
} as const;

/** What an owner signs so that a grant can ride in the agent's first operation, or be brought by anybody. */
export const installMessage = (chainId: number, account: Address, grant: Grant, epoch: number) =>
  ({
    domain: accountDomain(chainId, account),
    types: installTypes,
    primaryType: "Install",
    message: { grant, epoch: BigInt(epoch) },
  }) as const;

export const operationTypes = {
  Operation: [
    { name: "userOpHash", type: "bytes32" },
    { name: "policyId", type: "bytes32" },
    { name: "validAfter", type: "uint256" },
    { name: "validUntil", type: "uint256" },
    { name: "size", type: "uint256" },
    { name: "root", type: "bytes32" },
  ],
} as const;

/** The same for kind 4: with the keccak256 of everything the signature ends with. */
export const ruledOperationTypes = {
  RuledOperation: [...operationTypes.Operation, { name: "tail", type: "bytes32" }],
} as const;

/** An approver's co-signature under one operation; `callHash` is keccak256 of the operation's callData. */
export const approvalTypes = {
  Approval: [
    { name: "approver", type: "address" },
    { name: "policyId", type: "bytes32" },
    { name: "callHash", type: "bytes32" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
} as const;

export const accountDomain = (chainId: number, account: Address) =>
  ({ name: "Bursar", version: "1", chainId, verifyingContract: account }) as const;

/** The domain of contracts/SpendPolicyValidator.sol: one module serves many accounts, so the account is the salt. */
export const validatorDomain = (chainId: number, module: Address, account: Address) =>
  ({ name: "Bursar", version: "1", chainId, verifyingContract: module, salt: pad(account) }) as const;

/** EIP-712 hashStruct of the Grant: the policy's id, and the key of its only storage slot. */
export function policyIdOf(grant: Grant): Hex {
  return hashStruct({ data: grant, primaryType: "Grant", types: grantTypes });
}

/** A rolling window is this many buckets. */
export const bucketsPerWindow = 6n;

/** Bit widths of the packed terms, high to low, as in gas-anchors §8.3. The sum is 24 bytes. */
const widths = [6, 16, 16, 24, 6, 24, 24, 24, 32, 20] as const;

/** The 24 bytes of terms that travel in every signature of the agent. */
export function packTerms(grant: Grant, units: GrantUnits): Hex {
  const unit = 10n ** BigInt(units.exponent);
  const gasUnit = 10n ** BigInt(units.gasExponent);
  const values = [
    BigInt(units.exponent),
    mantissa(grant.perCall, unit, "perCall"),
    mantissa(grant.perWindow, unit, "perWindow"),
    mantissa(grant.lifetime, unit, "lifetime"),
    BigInt(units.gasExponent),
    mantissa(grant.gasBudget, gasUnit, "gasBudget"),
    mantissa(grant.feeCap, gasUnit, "feeCap"),
    grant.bucket,
    grant.expiry,
    grant.salt,
  ];
  let packed = 0n;
  for (const [index, width] of widths.entries()) {
    const value = values[index]!;
    if (value < 0n || value >= 1n << BigInt(width))
      throw new RangeError(`Term ${index} (${value}) does not fit in ${width} bits.`);
    packed = (packed << BigInt(width)) | value;
  }
  return numberToHex(packed, { size: 24 });
}

function mantissa(value: bigint, unit: bigint, name: string): bigint {
  if (value % unit !== 0n) throw new RangeError(`${name} ${value} is not a whole multiple of ${unit}.`);
  return value / unit;
}
