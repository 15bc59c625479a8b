import { localChainId } from "../../src/testing/localChain.ts";
import { tokenAddress } from "../integration/world.ts";

/** What has to become of a bill. */
export type Fate = "executed" | "refused" | "reverted";
export type ChaosBill = {
  readonly number: number;
  readonly fate: Fate;
  readonly units: bigint;
  readonly mail: string;
};

/** A token that says yes and moves nothing: its payments count as reverted. */
export const silentToken = "0x00000000000000000000000000000000000051e7";

export const policyText = (name: string): string => `policy: ${name}
version: 1
chain: ${localChainId}
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
  MUM: { address: "${silentToken}", decimals: 6 }
payees:
  acme: { address: "${payeeOf(name)}", senders: [acme.example] }
limits:
  - { perPayment: "500.00 USDC", perWindow: "5000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
  - { perPayment: "500.00 MUM", perWindow: "5000.00 MUM", window: 24h, lifetime: "20000.00 MUM" }
gas: { budget: "1 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;

/** Each world pays somebody of its own, so that balances tell. */
export const payeeOf = (name: string): `0x${string}` =>
  `0x${Buffer.from(name.padEnd(20, "_")).toString("hex")}`;

/** The nth bill: every amount occurs once, so a transfer on the chain says which bill it paid. */
export function billOf(number: number): ChaosBill {
  const fate: Fate = number % 7 === 3 ? "refused" : number % 7 === 5 ? "reverted" : "executed";
  const units = BigInt(fate === "refused" ? 600_000_000 : 1_000_000) + BigInt(number) * 100n;
  const amount = `${units / 1_000_000n}.${String(units % 1_000_000n).padStart(6, "0")}`;
  const reference = `REF${String(number).padStart(6, "0")}`;
  return {
    number,
    fate,
    units,
    mail: [
      "Authentication-Results: mx.bursar.example; dkim=pass header.d=acme.example",
      "From: Billing <billing@acme.example>",
      "To: accounts@bursar.example",
      `Subject: Bill ${reference}`,
      "Date: Mon, 2 Mar 2026 10:00:00 +0000",
      `Message-ID: <${reference}@acme.example>`,
      "Content-Type: text/plain; charset=utf-8",
      "",
      `Please pay ${amount} ${fate === "reverted" ? "MUM" : "USDC"} to acme, reference ${reference}.`,
      "",
    ].join("\r\n"),
  };
}
