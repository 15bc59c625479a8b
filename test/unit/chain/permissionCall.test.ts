import { decodeFunctionData, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import { permissionSpenderAbi } from "../../../src/chain/abi/permissionSpender.ts";
import { permissionSpenderDeployment } from "../../../src/chain/deploy.ts";
import { isPermissionSpend, permissionSpendCall } from "../../../src/chain/permissionCall.ts";
import { isGrantSpend } from "../../../src/chain/spendGrantCall.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const [spender, account, token, payee] = ["1", "2", "3", "4"].map(address) as [
  Address,
  Address,
  Address,
  Address,
];

describe("permissionSpendCall", () => {
  it("says in plain arguments who pays whom what, and carries the permission as it is", () => {
    const context: Hex = "0x0123456789";
    const call = permissionSpendCall(spender, { account, token, context }, payee, 7n);
    expect(call.to).toBe(spender);
    expect(decodeFunctionData({ abi: permissionSpenderAbi, data: call.data })).toEqual({
      functionName: "spend",
      args: [account, token, payee, 7n, context],
    });
    expect(isPermissionSpend(call)).toBe(true);
    expect(isGrantSpend(call)).toBe(false);
  });
});

describe("permissionSpenderDeployment", () => {
  it("is another contract for each account, key and manager", () => {
    const [one, ...others] = [
      permissionSpenderDeployment(account, token, payee),
      permissionSpenderDeployment(token, token, payee),
      permissionSpenderDeployment(account, account, payee),
      permissionSpenderDeployment(account, token, account),
    ].map((deployment) => deployment.address);
    expect(others).not.toContain(one);
    expect(permissionSpenderDeployment(account, token, payee).address).toBe(one);
  });
});
