import { createServer } from "node:http";

import { concatHex, numberToHex, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { fromUserOpJson, packUserOp, type PlainUserOp } from "../chain/entryPoint.ts";
import type { UserOpJson } from "../core/operation.ts";

export type PaymasterServer = {
  readonly url: string;
  /** Methods that it was asked, in order. */
  readonly asked: readonly string[];
  /** Until when it pays for what it signs from now on, unix seconds; 0: without end. */
  validUntil: number;
  /** What is changed in its answers from now on. */
  lie: Readonly<Record<string, unknown>>;
  /** Refuses from now on. */
  refuses: boolean;
  close(): Promise<void>;
};

export type PaymasterServerOptions = {
  /** A contract of OpenZeppelin's `PaymasterSigner`, with its EIP-712 name and version. */
  readonly paymaster: Address;
  readonly domain: { readonly name: string; readonly version: string };
  /** The key that the contract takes signatures of. */
  readonly signer: PrivateKeyAccount;
};

const types = {
  UserOperationRequest: [
    { name: "sender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "initCode", type: "bytes" },
    { name: "callData", type: "bytes" },
    { name: "accountGasLimits", type: "bytes32" },
    { name: "preVerificationGas", type: "uint256" },
    { name: "gasFees", type: "bytes32" },
    { name: "paymasterVerificationGasLimit", type: "uint256" },
    { name: "paymasterPostOpGasLimit", type: "uint256" },
    { name: "validAfter", type: "uint48" },
    { name: "validUntil", type: "uint48" },
  ],
} as const;

const gasLimits = { paymasterVerificationGasLimit: "0x186a0", paymasterPostOpGasLimit: "0x1" } as const;
/** No key made it, and it is as long as one that did. */
const stubSignature: Hex = `0x${"01".repeat(65)}`;

/** A paymaster's service over HTTP on loopback (ERC-7677): it sponsors whatever it is asked, by a key of its own. */
export async function servePaymaster(options: PaymasterServerOptions): Promise<PaymasterServer> {
  const asked: string[] = [];
  const { paymaster } = options;

  async function answer(method: string, params: readonly unknown[]): Promise<object> {
    asked.push(method);
    if (server.refuses) throw new Error("not today");
    const [userOp, , chainId] = params as readonly [UserOpJson, Address, Hex];
    const paymasterData =
      method === "pm_getPaymasterStubData"
        ? dataOf(0, stubSignature)
        : await signedData(
            { ...stubbed, ...withoutNulls(userOp) },
            Number(chainId),
            options,
            server.validUntil,
          );
    return { paymaster, paymasterData, ...gasLimits, ...server.lie };
  }

  const listener = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
        readonly id: unknown;
        readonly method: string;
        readonly params: readonly unknown[];
      };
      void answer(method, params)
        .then(
          (result) => ({ result }),
          (error: unknown) => ({ error: { code: -32_000, message: String(error) } }),
        )
        .then((said) => response.end(JSON.stringify({ jsonrpc: "2.0", id, ...said })));
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  const server: PaymasterServer = {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    asked,
    validUntil: 0,
    lie: {},
    refuses: false,
    close: () =>
      new Promise((resolve) => {
        listener.closeAllConnections();
        listener.close(() => resolve());
      }),
  };
  return server;
}

const stubbed = { signature: "0x" } as const;
const withoutNulls = (userOp: UserOpJson): UserOpJson =>
  Object.fromEntries(Object.entries(userOp).filter(([, value]) => value !== null)) as unknown as UserOpJson;

/** validAfter, validUntil and the signature, as `PaymasterSigner` reads them. */
const dataOf = (validUntil: number, signature: Hex): Hex =>
  concatHex([numberToHex(0, { size: 6 }), numberToHex(validUntil, { size: 6 }), signature]);

async function signedData(
  json: UserOpJson,
  chainId: number,
  { domain, paymaster, signer }: PaymasterServerOptions,
  validUntil: number,
): Promise<Hex> {
  const userOp: PlainUserOp = { ...fromUserOpJson(json), paymaster };
  const packed = packUserOp({ ...userOp, paymasterData: "0x" });
  const signature = await signer.signTypedData({
    domain: { ...domain, chainId, verifyingContract: paymaster },
    types,
    primaryType: "UserOperationRequest",
    message: {
      sender: packed.sender,
      nonce: packed.nonce,
      initCode: packed.initCode,
      callData: packed.callData,
      accountGasLimits: packed.accountGasLimits,
      preVerificationGas: packed.preVerificationGas,
      gasFees: packed.gasFees,
      paymasterVerificationGasLimit: BigInt(gasLimits.paymasterVerificationGasLimit),
      paymasterPostOpGasLimit: BigInt(gasLimits.paymasterPostOpGasLimit),
      validAfter: 0,
      validUntil,
    },
  });
  return dataOf(validUntil, signature);
}
