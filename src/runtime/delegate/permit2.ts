import { encodeFunctionData, erc20Abi, hashTypedData, type Address } from "viem";

import { spendGrantAbi } from "../../chain/abi/spendGrant.ts";
import { ask, type Chain } from "../../chain/connectChain.ts";
import { permit2Address } from "../../chain/deploy.ts";
import { permit2Abi } from "../../chain/readGrantBudget.ts";
import type { Permit } from "./permit.ts";

const types = {
  PermitSingle: [
    { name: "details", type: "PermitDetails" },
    { name: "spender", type: "address" },
    { name: "sigDeadline", type: "uint256" },
  ],
  PermitDetails: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint160" },
    { name: "expiration", type: "uint48" },
    { name: "nonce", type: "uint48" },
  ],
} as const;
/** How long the signature may wait to be brought, in seconds. */
const permitSeconds = 3600;

/**
 * The allowance by signature that Permit2 keeps for those who once let it pull a token, or undefined where the payer did not, or there is
 * no Permit2. It is for no more than the grant's total and ends with the grant.
 *
 * @param wanted `validUntil`: unix seconds, the last in which the allowance may be used
 */
export async function permit2Of(
  chain: Chain,
  wanted: {
    readonly token: Address;
    readonly owner: Address;
    readonly spender: Address;
    readonly value: bigint;
    readonly validUntil: number;
  },
): Promise<Permit | undefined> {
  const { owner, spender, token, validUntil, value } = wanted;
  const { client } = chain;
  const [code, lent, block] = await ask(chain, () =>
    Promise.all([
      client.getCode({ address: permit2Address }),
      client.readContract({
        address: token,
        abi: erc20Abi,
        functionName: "allowance",
        args: [owner, permit2Address],
      }),
      client.getBlock({ blockTag: "latest" }),
    ]),
  );
  if (code === undefined || code === "0x" || lent < value) return undefined;
  const [, , nonce] = await ask(chain, () =>
    client.readContract({
      address: permit2Address,
      abi: permit2Abi,
      functionName: "allowance",
      args: [owner, token, spender],
    }),
  );
  const sigDeadline = block.timestamp + BigInt(permitSeconds);
  const single = { details: { token, amount: value, expiration: validUntil, nonce }, spender, sigDeadline };
  const data = {
    domain: { name: "Permit2", chainId: chain.chainId, verifyingContract: permit2Address },
    types,
    primaryType: "PermitSingle",
    message: single,
  } as const;
  return {
    hash: hashTypedData(data),
    message: data,
    typedData: {
      ...data,
      message: {
        details: {
          token,
          amount: value.toString(),
          expiration: validUntil.toString(),
          nonce: nonce.toString(),
        },
        spender,
        sigDeadline: sigDeadline.toString(),
      },
    },
    call: (signature) => ({
      to: spender,
      valueWei: 0n,
      data: encodeFunctionData({
        abi: spendGrantAbi,
        functionName: "bringPermit2",
        args: [owner, single, signature],
      }),
    }),
  };
}
