import { domainSeparator, keccak256, toHex, type Address, type Hex } from "viem";
import { expect, test } from "vitest";

import type { Chain } from "../../../../src/chain/connectChain.ts";
import { permitOf } from "../../../../src/runtime/delegate/permit.ts";

const token: Address = "0x0000000000000000000000000000000000000da1";
const owner: Address = "0x00000000000000000000000000000000000a44a0";
const spender: Address = "0x00000000000000000000000000000000000c0de0";

/** A chain with one token, which answers by what it has. */
function chainWith(answers: Readonly<Record<string, unknown>>): Chain {
  const client = {
    getCode: () => Promise.resolve(undefined),
    getBlock: () => Promise.resolve({ timestamp: 1_800_000_000n }),
    readContract: ({ functionName }: { readonly functionName: string }) =>
      functionName in answers
        ? Promise.resolve(answers[functionName])
        : Promise.reject(new Error("execution reverted")),
  };
  return { chainId: 1, url: "local", client } as unknown as Chain;
}
const separatorOf = (verifyingContract: Address, chainId = 1): Hex =>
  domainSeparator({ domain: { name: "Token", version: "1", chainId, verifyingContract } });
const usual = { nonces: 3n, name: "Token", version: "1", DOMAIN_SEPARATOR: separatorOf(token) };
const typehash = (words: string) => keccak256(toHex(words));

test.each([
  ["that says no more than EIP-2612 asks for", usual],
  [
    "whose type is EIP-2612's",
    {
      ...usual,
      PERMIT_TYPEHASH: typehash(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)",
      ),
    },
  ],
])("a token %s takes a permit", async (_, answers) => {
  const permit = await permitOf(chainWith(answers), { token, owner, spender, value: 5n });
  expect(permit?.typedData.message).toMatchObject({ owner, spender, value: "5", nonce: "3" });
});

test.each([
  [
    "with a permit of its own, as DAI's",
    {
      ...usual,
      PERMIT_TYPEHASH: typehash(
        "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)",
      ),
    },
  ],
  ["that says another token's domain", { ...usual, DOMAIN_SEPARATOR: separatorOf(spender) }],
  ["that says its domain of another chain", { ...usual, DOMAIN_SEPARATOR: separatorOf(token, 10) }],
  ["that has no nonces", { ...usual, nonces: undefined }],
])("nobody is asked to sign for a token %s", async (_, answers) => {
  const known = Object.fromEntries(Object.entries(answers).filter(([, value]) => value !== undefined));
  expect(await permitOf(chainWith(known), { token, owner, spender, value: 5n })).toBeUndefined();
});
