import type { Hex } from "viem";

import type { UserOpJson } from "../../core/operation.ts";
import type { PlainUserOp } from "../entryPoint.ts";

export type GasLimits = {
  readonly callGasLimit: bigint;
  readonly verificationGasLimit: bigint;
  readonly preVerificationGas: bigint;
};
export type GasPrice = { readonly maxFeePerGasWei: bigint; readonly maxPriorityFeePerGasWei: bigint };

/**
 * Who carries operations to the chain. A hint-giver only: whether something happened is asked of our own RPC.
 */
export type Bundler = {
  /** What people call it, e.g. `in-process` or the host of its URL. */
  readonly name: string;
  gasPrice(): Promise<GasPrice>;
  /**
   * Gas limits for an operation whose signature is well-formed but not valid.
   *
   * @throws ChainRefusalError when validation or the call itself reverts, by our own node · BundlerError
   */
  estimateGas(userOp: PlainUserOp): Promise<GasLimits>;
  /**
   * Hands over signed bytes; the same bytes may be handed over again and again.
   *
   * @param attempt how many times they were handed over before; where there are several bundlers it says who is asked
   * @throws ChainRefusalError · BundlerError
   */
  send(userOp: UserOpJson, attempt?: number): Promise<Hex>;
};
