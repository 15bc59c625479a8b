import { zeroAddress } from "viem";
import { expect, it } from "vitest";

import { paymentCall } from "../../../src/policy/paymentCall.ts";
import { acme, policy, transferData } from "./operations.ts";

it("pays tokens by a transfer of the token, and coin by sending it along", () => {
  const token = policy.limits[0]!.token;
  expect(paymentCall(token, acme, 7n)).toEqual({
    to: token.address,
    valueWei: 0n,
    data: transferData(acme, 7n),
  });
  expect(paymentCall({ address: zeroAddress }, acme, 7n)).toEqual({ to: acme, valueWei: 7n, data: "0x" });
});
