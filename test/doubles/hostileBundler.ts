import { createServer } from "node:http";

import { encodeFunctionData, numberToHex, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Chain } from "../../src/chain/connectChain.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress, fromUserOpJson, packUserOp } from "../../src/chain/entryPoint.ts";
import type { UserOpJson } from "../../src/core/operation.ts";

/** What a bundler answers that wants to earn by it. */
export type Greed = {
  readonly priceWei: bigint;
  readonly preVerificationGas: bigint;
  readonly verificationGasLimit?: bigint;
  readonly callGasLimit?: bigint;
};

export type HostileBundler = {
  readonly url: string;
  /** What it asks for from now on. */
  greed: Greed;
  /** What it says instead of an estimate: its own words, or those of a contract that was never asked. */
  refuses: { readonly message: string; readonly data?: Hex } | undefined;
  /** Everything it was given to send. */
  readonly taken: readonly UserOpJson[];
  close(): Promise<void>;
};

/** A bundler over HTTP that names prices of its own, and includes whatever it gets with itself as the one who is paid. */
export async function startHostileBundler(
  chain: Chain,
  thief: PrivateKeyAccount,
  greed: Greed,
): Promise<HostileBundler> {
  const taken: UserOpJson[] = [];
  const answers: Record<string, (params: readonly unknown[]) => unknown> = {
    eth_supportedEntryPoints: () => [entryPointAddress],
    pimlico_getUserOperationGasPrice() {
      const price = {
        maxFeePerGas: numberToHex(bundler.greed.priceWei),
        maxPriorityFeePerGas: numberToHex(bundler.greed.priceWei),
      };
      return { slow: price, standard: price, fast: price };
    },
    eth_estimateUserOperationGas() {
      const { greed: wants, refuses } = bundler;
      if (refuses) throw Object.assign(new Error(refuses.message), { data: refuses.data });
      return {
        preVerificationGas: numberToHex(wants.preVerificationGas),
        verificationGasLimit: numberToHex(wants.verificationGasLimit ?? 200_000n),
        callGasLimit: numberToHex(wants.callGasLimit ?? 500_000n),
      };
    },
    async eth_sendUserOperation([json]): Promise<Hex> {
      taken.push(json as UserOpJson);
      return sendTransaction(chain, thief, {
        to: entryPointAddress,
        gas: 5_000_000n,
        data: encodeFunctionData({
          abi: entryPointAbi,
          functionName: "handleOps",
          args: [[packUserOp(fromUserOpJson(json as UserOpJson))], thief.address],
        }),
      });
    },
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
        readonly id: unknown;
        readonly method: string;
        readonly params: readonly unknown[];
      };
      void (async () => answers[method]!(params))()
        .then(
          (result) => ({ result }),
          (error: unknown) => ({
            error: { code: -32_000, message: String(error), data: (error as { data?: Hex }).data },
          }),
        )
        .then((answer) => response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer })));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const bundler: HostileBundler = {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    greed,
    refuses: undefined,
    taken,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return bundler;
}
