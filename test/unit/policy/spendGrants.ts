import { getAddress, keccak256, stringToHex, type Address } from "viem";

import type { SpendGrant } from "../../../src/policy/spendGrant.ts";

/** Somebody's address, by a name. */
export const addressOf = (name: string): Address =>
  getAddress(`0x${keccak256(stringToHex(name)).slice(-40)}`);

export const contract = addressOf("contract");

/** 5 a time, 50 a day, 1000 in all, of a token with 6 decimals, from 2027-01-15T08:00:00Z on for 30 days. */
export const aGrant: SpendGrant = Object.freeze({
  account: addressOf("payer"),
  agent: addressOf("agent's account"),
  agentKey: addressOf("agent's key"),
  token: addressOf("token"),
  perCall: 5_000_000n,
  perWindow: 50_000_000n,
  window: 86_400,
  total: 1_000_000_000n,
  validAfter: 1_800_000_000,
  validUntil: 1_802_592_000,
  payees: [addressOf("acme"), addressOf("bolt")].toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)),
  anyPayee: false,
  epoch: 0n,
  salt: 7n,
  purpose: "Pay the studio's invoices",
  policyHash: `0x${"11".repeat(32)}`,
});
