import type { Address, Hex } from "viem";

import type { PlainUserOp } from "../entryPoint.ts";

/** What makes somebody else pay for an operation. */
export type Sponsorship = {
  readonly paymaster: Address;
  readonly paymasterVerificationGasLimit: bigint;
  readonly paymasterPostOpGasLimit: bigint;
  readonly paymasterData: Hex;
};

/**
 * A paymaster's service (ERC-7677). It says what the paymaster contract wants to see; whether that contract may pay at all is the
 * policy's to say, and whether it does is the chain's.
 */
export type Paymaster = {
  /** What people call it: the host of its URL. */
  readonly name: string;
  /**
   * Data of the right shape, for estimates. `final`: it is good for sending, too.
   *
   * @throws PaymasterError
   */
  stub(userOp: PlainUserOp): Promise<Sponsorship & { readonly final: boolean }>;
  /**
   * The data under which the paymaster pays for exactly this operation, whose gas limits hold `stub`'s.
   *
   * @throws PaymasterError
   */
  sponsor(userOp: PlainUserOp & Sponsorship): Promise<Sponsorship>;
};
