import type { Address, Hex } from "viem";

/** One call that an account makes. */
export type Call = { readonly to: Address; readonly valueWei: bigint; readonly data: Hex };

/**
 * A user operation of EntryPoint 0.7/0.8 in its unpacked JSON-RPC form (ERC-4337), every number as 0x-hex.
 * Kept exactly as it was signed: recovery resends these bytes and never signs again.
 */
export type UserOpJson = {
  readonly sender: Address;
  readonly nonce: Hex;
  readonly callData: Hex;
  readonly callGasLimit: Hex;
  readonly verificationGasLimit: Hex;
  readonly preVerificationGas: Hex;
  readonly maxFeePerGas: Hex;
  readonly maxPriorityFeePerGas: Hex;
  readonly signature: Hex;
  /** Only where the operation makes its own account. */
  readonly factory?: Address;
  readonly factoryData?: Hex;
  /** Only where somebody else pays its gas. */
  readonly paymaster?: Address;
  readonly paymasterVerificationGasLimit?: Hex;
  readonly paymasterPostOpGasLimit?: Hex;
  readonly paymasterData?: Hex;
};

/** What is sent for one Decision, complete and signed. */
export type Operation = {
  readonly chainId: number;
  readonly entryPoint: Address;
  readonly userOp: UserOpJson;
  readonly userOpHash: Hex;
  /** Unix seconds; the EntryPoint refuses the operation outside (validAfter, validUntil]. */
  readonly validAfter: number;
  readonly validUntil: number;
  /** Size and root of the decision tree whose last leaf is this Decision. */
  readonly treeSize: number;
  readonly treeRoot: Hex;
};

/** What the chain says about an Operation, read from our own RPC, never taken from a bundler. */
export type Receipt =
  | {
      readonly outcome: "success" | "reverted";
      readonly userOpHash: Hex;
      readonly transaction: Hex;
      readonly blockNumber: string;
      readonly blockHash: Hex;
      readonly logIndex: number;
      /** Gas the EntryPoint charged (`actualGasUsed`), and its price in wei. */
      readonly gasUsed: string;
      readonly gasCostWei: string;
      readonly revertReason: string | null;
    }
  /**
   * It can never be included any more. `expired`: validUntil passed on a final block and the nonce was not used. `displaced`: somebody
   * else's operation has the nonce, and the operator has looked at it.
   */
  | {
      readonly outcome: "expired" | "displaced";
      readonly userOpHash: Hex;
      readonly blockNumber: string;
    };

/** Was it executed? Then the receipt tells where. */
export const isExecuted = (receipt: Receipt): receipt is Extract<Receipt, { readonly transaction: Hex }> =>
  "transaction" in receipt;
