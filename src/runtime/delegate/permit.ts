import {
  domainSeparator,
  encodeFunctionData,
  hashTypedData,
  keccak256,
  parseAbi,
  parseSignature,
  size,
  toHex,
  type Address,
  type Hex,
} from "viem";

import { spendGrantAbi } from "../../chain/abi/spendGrant.ts";
import { ask, type Chain } from "../../chain/connectChain.ts";
import { RpcUnreachableError } from "../../chain/errors.ts";
import type { Call } from "../../core/operation.ts";
import type { TypedData } from "../../core/walletLink.ts";

/** An allowance as its owner signs it: by the token (EIP-2612), or by Permit2. */
export type Permit = {
  readonly hash: Hex;
  readonly typedData: TypedData;
  readonly message: object;
  /** Brings the signature, by the contract that the allowance is for. */
  call(signature: Hex): Call;
};

const tokenAbi = parseAbi([
  "function nonces(address owner) view returns (uint256)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function PERMIT_TYPEHASH() view returns (bytes32)",
]);
const types = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
} as const;
/** Of the type above. Not every token tells it. */
const typehash = keccak256(
  toHex("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
);
/** How long the signature may wait to be brought, in seconds. */
const permitSeconds = 3600;

/**
 * The permit that a token takes, or undefined where it takes none: it has to name itself, and the domain that follows from that has to
 * be the one it says (EIP-2612). Owners with code sign their transactions themselves: most tokens know keys only.
 */
export async function permitOf(
  chain: Chain,
  wanted: {
    readonly token: Address;
    readonly owner: Address;
    readonly spender: Address;
    readonly value: bigint;
  },
): Promise<Permit | undefined> {
  const { owner, spender, token, value } = wanted;
  const read = { address: token, abi: tokenAbi } as const;
  const { client } = chain;
  try {
    const [code, nonce, separator, name, version, type, block] = await ask(chain, () =>
      Promise.all([
        client.getCode({ address: owner }),
        client.readContract({ ...read, functionName: "nonces", args: [owner] }),
        client.readContract({ ...read, functionName: "DOMAIN_SEPARATOR" }),
        client.readContract({ ...read, functionName: "name" }),
        client.readContract({ ...read, functionName: "version" }).catch(() => "1"),
        client.readContract({ ...read, functionName: "PERMIT_TYPEHASH" }).catch(() => typehash),
        client.getBlock({ blockTag: "latest" }),
      ]),
    );
    const domain = { name, version, chainId: chain.chainId, verifyingContract: token };
    if ((code !== undefined && code !== "0x") || domainSeparator({ domain }) !== separator) return undefined;
    // DAI's has the same domain, and no function that would take this one.
    if (type !== typehash) return undefined;
    const deadline = block.timestamp + BigInt(permitSeconds);
    const message = { owner, spender, value, nonce, deadline };
    const data = { domain, types, primaryType: "Permit", message } as const;
    return {
      hash: hashTypedData(data),
      message: data,
      typedData: {
        ...data,
        message: {
          owner,
          spender,
          value: value.toString(),
          nonce: nonce.toString(),
          deadline: deadline.toString(),
        },
      },
      call(signature) {
        if (size(signature) !== 65) throw new TypeError("A permit is signed by a key.");
        const { r, s, yParity } = parseSignature(signature);
        return {
          to: spender,
          valueWei: 0n,
          data: encodeFunctionData({
            abi: spendGrantAbi,
            functionName: "bringPermit",
            args: [token, owner, value, deadline, 27 + yParity, r, s],
          }),
        };
      },
    };
  } catch (error) {
    if (error instanceof RpcUnreachableError) throw error;
    return undefined;
  }
}
