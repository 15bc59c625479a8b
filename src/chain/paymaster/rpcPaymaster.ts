import { getAddress, http, isAddress, isHex, size } from "viem";
import { createPaymasterClient } from "viem/account-abstraction";

import type { Chain } from "../connectChain.ts";
import { entryPointAddress, type PlainUserOp } from "../entryPoint.ts";
import { PaymasterError } from "../errors.ts";
import type { Paymaster, Sponsorship } from "./paymaster.ts";

/** For a service that names none: a signature, a few slots. A guess. */
const plainVerificationGas = 150_000n;
/** Longest data, in bytes: more than any known paymaster's, and less than a bundle has room for. */
const longestData = 4_096;
/** Most gas of either kind that is believed: four times what bundlers take for a whole validation (ERC-7562). */
const mostGas = 2_000_000n;

type Answer = {
  readonly paymaster?: unknown;
  readonly paymasterData?: unknown;
  readonly paymasterVerificationGasLimit?: bigint | undefined;
  readonly paymasterPostOpGasLimit?: bigint | undefined;
  readonly isFinal?: boolean | undefined;
};

/**
 * A paymaster's service behind JSON-RPC (ERC-7677).
 *
 * @param context what the service wants to know of whoever asks, passed on as it is
 */
export function rpcPaymaster(
  chain: Chain,
  url: string,
  context?: Readonly<Record<string, unknown>>,
): Paymaster {
  const name = new URL(url).host;
  const client = createPaymasterClient({ transport: http(url, { timeout: 20_000, retryCount: 0 }) });
  const parameters = (userOp: PlainUserOp) => ({
    ...userOp,
    chainId: chain.chainId,
    entryPointAddress,
    ...(context === undefined ? {} : { context }),
  });

  async function ask(read: () => Promise<unknown>): Promise<Answer> {
    try {
      return (await read()) as Answer;
    } catch (error) {
      throw new PaymasterError(name, "did not sponsor the operation", error);
    }
  }

  /** @param before where a second answer leaves out what the first one said */
  function checked(answer: Answer, before?: Sponsorship): Sponsorship {
    const { paymaster, paymasterData } = answer;
    const verification =
      answer.paymasterVerificationGasLimit ?? before?.paymasterVerificationGasLimit ?? plainVerificationGas;
    const postOp = answer.paymasterPostOpGasLimit ?? before?.paymasterPostOpGasLimit ?? 0n;
    if (
      typeof paymaster !== "string" ||
      !isAddress(paymaster, { strict: false }) ||
      !isHex(paymasterData) ||
      size(paymasterData) > longestData ||
      verification > mostGas ||
      postOp > mostGas
    )
      throw new PaymasterError(
        name,
        "gave an answer that no operation can carry",
        JSON.stringify(answer, digits),
      );
    return {
      paymaster: getAddress(paymaster),
      paymasterData,
      paymasterVerificationGasLimit: verification,
      paymasterPostOpGasLimit: postOp,
    };
  }

  return {
    name,
    async stub(userOp) {
      const answer = await ask(() => client.getPaymasterStubData(parameters(userOp)));
      return { ...checked(answer), final: answer.isFinal === true };
    },
    async sponsor(userOp) {
      return checked(await ask(() => client.getPaymasterData(parameters(userOp))), userOp);
    },
  };
}

const digits = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
