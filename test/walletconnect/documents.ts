import { verifyMessage, verifyTypedData, type Address } from "viem";
import { createSiweMessage, generateSiweNonce } from "viem/siwe";

import type { RequestOutcome, TypedData, WalletAccount } from "../../src/core/walletLink.ts";

export const chainId = 31337;

/** A sign-in that names a nonce, as ERC-4361 writes it. */
export const signIn = ({ address, chainId: chain }: WalletAccount): { text: string; nonce: string } => {
  const nonce = generateSiweNonce();
  const text = createSiweMessage({
    address,
    chainId: chain,
    domain: "localhost",
    nonce,
    uri: "http://localhost",
    version: "1",
  });
  return { text, nonce };
};

/** A document about as long as a grant. */
export const grant = (salt: string): TypedData => ({
  domain: { name: "SpendGrant", version: "1", chainId, verifyingContract: `0x${"22".repeat(20)}` },
  types: {
    AgentSpendGrant: [
      { name: "agent", type: "address" },
      { name: "perWindow", type: "uint160" },
      { name: "payees", type: "address[]" },
      { name: "salt", type: "uint256" },
      { name: "purpose", type: "string" },
    ],
  },
  primaryType: "AgentSpendGrant",
  message: {
    agent: `0x${"33".repeat(20)}`,
    perWindow: "1000000",
    payees: [`0x${"44".repeat(20)}`],
    salt,
    purpose: "pays the bills",
  },
});

/** Whether this is the signature of an account without code of the grant with this salt. */
export async function verifies(
  address: Address,
  salt: string,
  outcome: RequestOutcome<unknown>,
): Promise<boolean> {
  return (
    outcome.outcome === "approved" &&
    verifyTypedData({ address, ...(grant(salt) as object), signature: outcome.answer } as never).catch(
      () => false,
    )
  );
}

export async function verifiesText(
  address: Address,
  message: string,
  outcome: RequestOutcome<unknown>,
): Promise<boolean> {
  return (
    outcome.outcome === "approved" &&
    verifyMessage({ address, message, signature: outcome.answer as `0x${string}` })
  );
}
