import { encodeFunctionData, numberToHex, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { entryPointAbi } from "../abi/entryPoint.ts";
import { ask, type Chain } from "../connectChain.ts";
import { decodeRefusal, revertDataOf } from "../decodeRefusal.ts";
import {
  entryPointAddress,
  fromUserOpJson,
  packUserOp,
  userOpHashOf,
  type PlainUserOp,
} from "../entryPoint.ts";
import { BundlerError, ChainRefusalError, RpcUnreachableError } from "../errors.ts";
import type { Bundler, GasLimits } from "./bundler.ts";
import { checkValidation, validationFrame, type ValidationFrame } from "./erc7562.ts";

const name = "in-process";

/** Gas of handleOps that the EntryPoint does not meter for one operation: beneficiary payment, event, loops. Measured 41k with the base. */
const bundleOverheadGas = 42_000n;
/** What the EntryPoint itself spends inside the verification limit: nonce (22,100 on the first use of a lane), deposit, copying. */
const entryPointValidationGas = 40_000n;
/** Validation limit while estimating; the estimate is what was used, plus a tenth. */
const estimateValidationGas = 3_000_000n;

export type OwnBundlerOptions = {
  /** Pays the transactions and is repaid by the EntryPoint; holds nothing of the agent's. */
  readonly executor: PrivateKeyAccount;
};

/**
 * A small bundler inside the runtime: one operation a bundle, every validation checked against ERC-7562 on the node's
 * `erc7562Tracer` before it is sent. For one operator's own accounts; it has no mempool and no reputation.
 *
 * The RPC has to offer `debug_traceCall` with that tracer (geth, EDR); use an RPC bundler elsewhere.
 */
export function ownBundler(chain: Chain, options: OwnBundlerOptions): Bundler {
  const { client } = chain;
  const { executor } = options;
  let sending: Promise<unknown> = Promise.resolve();

  const handleOps = (userOp: PlainUserOp): Hex =>
    encodeFunctionData({
      abi: entryPointAbi,
      functionName: "handleOps",
      args: [[packUserOp(userOp)], executor.address],
    });

  /** Runs the whole bundle on the newest state without sending it; refuses what the rules or the chain refuse. */
  async function simulate(userOp: PlainUserOp): Promise<ValidationFrame> {
    const call = {
      from: executor.address,
      to: entryPointAddress,
      data: handleOps(userOp),
      gas: numberToHex(15_000_000n),
    };
    let trace: ValidationFrame;
    try {
      trace = await ask<ValidationFrame>(chain, () =>
        client.request({
          method: "debug_traceCall" as never,
          params: [call, "latest", { tracer: "erc7562Tracer" }] as never,
        }),
      );
    } catch (error) {
      if (error instanceof RpcUnreachableError) throw error;
      throw new BundlerError(
        name,
        "could not trace the operation (the RPC has to offer debug_traceCall with erc7562Tracer)",
        error,
      );
    }
    const frame = validationFrame(trace, userOp.sender);
    const refused = frame?.error ? decodeRefusal((frame.output as Hex | undefined) ?? "0x") : undefined;
    if (refused) throw new ChainRefusalError({ ...refused, code: "AA23" });
    const violations = checkValidation(trace, { entryPoint: entryPointAddress, sender: userOp.sender });
    if (violations.length > 0)
      throw new ChainRefusalError({
        code: null,
        error: violations[0]!.rule,
        words: `validation breaks ERC-7562: ${violations.map((v) => `${v.rule} ${v.words}`).join("; ")}`,
      });
    return frame!;
  }

  async function dryRun(userOp: PlainUserOp): Promise<void> {
    try {
      await client.request({
        method: "eth_call",
        params: [
          {
            from: executor.address,
            to: entryPointAddress,
            data: handleOps(userOp),
            gas: numberToHex(15_000_000n),
          },
          "latest",
        ],
      });
    } catch (error) {
      const data = revertDataOf(error);
      if (data) throw new ChainRefusalError(decodeRefusal(data));
      throw new BundlerError(name, "could not simulate the operation", error);
    }
  }

  async function submit(userOp: PlainUserOp): Promise<void> {
    const fees = await gasPrice();
    const gas = userOp.verificationGasLimit + userOp.callGasLimit + userOp.preVerificationGas + 100_000n;
    const nonce = await ask(chain, () =>
      client.getTransactionCount({ address: executor.address, blockTag: "pending" }),
    );
    const raw = await executor.signTransaction({
      type: "eip1559",
      chainId: chain.chainId,
      nonce,
      to: entryPointAddress,
      data: handleOps(userOp),
      gas,
      maxFeePerGas: fees.maxFeePerGasWei,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    });
    try {
      await client.request({ method: "eth_sendRawTransaction", params: [raw] });
    } catch (error) {
      const data = revertDataOf(error);
      if (data) throw new ChainRefusalError(decodeRefusal(data));
      throw new BundlerError(name, "could not send its transaction", error);
    }
  }

  async function gasPrice() {
    const block = await ask(chain, () => client.getBlock({ blockTag: "latest" }));
    const maxPriorityFeePerGasWei = await ask(chain, () => client.estimateMaxPriorityFeePerGas());
    // Twice the base fee outlasts six full blocks of rising fees (EIP-1559).
    return {
      maxFeePerGasWei: (block.baseFeePerGas ?? 0n) * 2n + maxPriorityFeePerGasWei,
      maxPriorityFeePerGasWei,
    };
  }

  return {
    name,
    gasPrice,
    async estimateGas(draft): Promise<GasLimits> {
      const sized = {
        ...draft,
        verificationGasLimit: estimateValidationGas,
        callGasLimit: 0n,
        preVerificationGas: 0n,
        maxFeePerGas: 0n,
        maxPriorityFeePerGas: 0n,
      };
      const frame = await simulate(sized);
      const callGas = draft.callData === "0x" ? 0n : await estimateCall(chain, draft);
      return {
        // A tenth more: the final signature has other bytes, and a first use touches colder storage.
        verificationGasLimit: (BigInt(frame.gasUsed ?? 0) * 11n) / 10n + entryPointValidationGas,
        callGasLimit: (callGas * 11n) / 10n + 5_000n,
        preVerificationGas:
          bundleOverheadGas +
          calldataGas(
            handleOps({ ...draft, callGasLimit: callGas, verificationGasLimit: estimateValidationGas }),
          ),
      };
    },
    send(json) {
      const userOp = fromUserOpJson(json);
      // One after the other: the executor has one nonce.
      const turn = sending.then(async () => {
        await simulate(userOp);
        await dryRun(userOp);
        await submit(userOp);
        return userOpHashOf(chain.chainId, userOp);
      });
      sending = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** Gas of the account's call alone, as the EntryPoint makes it. */
async function estimateCall(chain: Chain, userOp: PlainUserOp): Promise<bigint> {
  try {
    return await chain.client.estimateGas({
      account: entryPointAddress,
      to: userOp.sender,
      data: userOp.callData,
    });
  } catch (error) {
    const data = revertDataOf(error);
    if (data) throw new ChainRefusalError(decodeRefusal(data));
    throw new BundlerError(name, "could not estimate the call", error);
  }
}

/** EIP-2028: 4 gas a zero byte, 16 any other. */
function calldataGas(data: Hex): bigint {
  let gas = 0n;
  for (let index = 2; index < data.length; index += 2)
    gas += data.slice(index, index + 2) === "00" ? 4n : 16n;
  return gas;
}
