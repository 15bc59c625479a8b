import type { Hex } from "viem";

/**
 * Functions that move ERC-20 tokens or let somebody else move them: a rule would let them go uncounted, so the chain
 * refuses it. Twin of `isReserved` in contracts/libraries/Rules.sol.
 */
const reserved: ReadonlySet<Hex> = new Set([
  "0xa9059cbb", // transfer(address,uint256)
  "0x23b872dd", // transferFrom(address,address,uint256)
  "0x095ea7b3", // approve(address,uint256)
  "0xd505accf", // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)
  "0x39509351", // increaseAllowance(address,uint256)
  "0xd73dd623", // increaseApproval(address,uint256)
  "0x8fcbaf0c", // permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
  "0x9fd5a6cf", // permit(address,address,uint256,uint256,bytes)
  "0x1296ee62", // transferAndCall(address,uint256)
  "0x4000aea0", // transferAndCall(address,uint256,bytes)
  "0xd8fbe994", // transferFromAndCall(address,address,uint256)
  "0xc1d34b89", // transferFromAndCall(address,address,uint256,bytes)
  "0x3177029f", // approveAndCall(address,uint256)
  "0xcae9ca51", // approveAndCall(address,uint256,bytes)
  "0x9bd9bbc6", // send(address,uint256,bytes)
  "0x62ad1b83", // operatorSend(address,address,uint256,bytes,bytes)
  "0x959b8c3f", // authorizeOperator(address)
  "0xb753a98c", // push(address,uint256)
  "0xf2d5d56b", // pull(address,uint256)
  "0xbb35783b", // move(address,address,uint256)
  "0x8fcb4e5b", // transferShares(address,uint256)
  "0x6d780459", // transferSharesFrom(address,address,uint256)
  "0xcf092995", // transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)
  "0xe3ee160e", // transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)
]);

export const isReserved = (selector: Hex): boolean => reserved.has(selector);
