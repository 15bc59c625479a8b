import { concatHex, getAddress, keccak256, toHex, type Address, type Hex } from "viem";

import type { LocalChain } from "../../src/testing/localChain.ts";

/** Other people's contracts, a few bytes each, put on a local chain as they are. */
export const code = {
  /**
   * swap(address token, uint256 amount, address to): pulls the tokens from its caller and sends all its coin to `to`.
   * Passes a failed pull on.
   */
  router: concatHex([
    "0x6323b872dd60e01b5f52", // mem 0: transferFrom
    "0x336004523060245260243560445260", // from caller, to itself, the amount
    "0x205f60645f5f6004355af1", // call the token
    "0x602e57", // on success go on
    "0x3d5f5f3e3d5ffd", // else pass the reason on
    "0x5b5f5f5f5f47604435", // all coin to `to`
    "0x5af15000",
  ]),
  /** Sponsors everybody: no context, valid for ever. */
  paymaster: "0x60405f5260605ff3",
  /** Says 2^40 to everything but `transfer`, which says false and moves nothing. */
  falseToken: "0x5f3560e01c63a9059cbb141560281b5f5260205ff3",
  /** Signed everything that anybody says it signed (ERC-1271). */
  yesWallet: "0x631626ba7e60e01b5f5260205ff3",
  /** The same, after 65,535 turns of nothing, which take 1.7 million gas. */
  dearWallet: "0x6200ffff5b600190038060045750631626ba7e60e01b5f5260205ff3",
  /** Says yes to everything and moves nothing. */
  silentToken: "0x600160281b5f5260205ff3",
} as const satisfies Readonly<Record<string, Hex>>;

/** Puts the code where the same name always has it, and returns the address. */
export async function place(
  chain: LocalChain,
  what: keyof typeof code,
  name: string = what,
): Promise<Address> {
  const address = getAddress(`0x${keccak256(toHex(name)).slice(26)}`);
  await chain.request({ method: "hardhat_setCode", params: [address, code[what]] });
  return address;
}
