import { toFunctionSelector } from "viem";
import { expect, it } from "vitest";

import { isReserved } from "../../../src/policy/reserved.ts";

it.each([
  "transfer(address,uint256)",
  "transferFrom(address,address,uint256)",
  "approve(address,uint256)",
  "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
  "increaseAllowance(address,uint256)",
  "increaseApproval(address,uint256)",
  "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
  "permit(address,address,uint256,uint256,bytes)",
  "transferAndCall(address,uint256)",
  "transferAndCall(address,uint256,bytes)",
  "transferFromAndCall(address,address,uint256)",
  "transferFromAndCall(address,address,uint256,bytes)",
  "approveAndCall(address,uint256)",
  "approveAndCall(address,uint256,bytes)",
  "send(address,uint256,bytes)",
  "operatorSend(address,address,uint256,bytes,bytes)",
  "authorizeOperator(address)",
  "push(address,uint256)",
  "pull(address,uint256)",
  "move(address,address,uint256)",
  "transferShares(address,uint256)",
  "transferSharesFrom(address,address,uint256)",
  "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
  "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
])("no rule may allow %s", (signature) => {
  expect(isReserved(toFunctionSelector(signature))).toBe(true);
});

it("leaves the rest to rules", () => {
  expect(isReserved(toFunctionSelector("deposit(uint256,address)"))).toBe(false);
});
