import { encodeFunctionData, numberToHex, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import { etherUp } from "../../core/amount.ts";
import { asMade } from "../accountOrigin.ts";
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
import { estimateCall } from "../estimateCall.ts";
import { probeCall, restsOnValidation } from "../probeCall.ts";
import { feesIn, isOutbid, readGasMarket } from "../gasMarket.ts";
import type { Bundler, GasLimits, GasPrice } from "./bundler.ts";
import { isUnderpriced, wordsOf } from "./underpriced.ts";
import { checkTrace } from "./checkTrace.ts";
import { frameOf, validationFrame, type ValidationFrame } from "./erc7562.ts";

const name = "in-process";
const untraced = "could not trace the operation (the RPC has to offer debug_traceCall with erc7562Tracer)";

/** Gas of handleOps that the EntryPoint does not meter for one operation: beneficiary payment, event, loops. Measured 41k with the base. */
const bundleOverheadGas = 42_000n;
/** What the EntryPoint itself spends inside the verification limit: nonce (22,100 on the first use of a lane), deposit, copying. */
const entryPointValidationGas = 40_000n;
/** An account's first payment of gas of its own: a call with value, a new slot and an event of the EntryPoint (22,100 + 9,000 + 1,800). */
const firstDepositGas = 36_000n;
/** What the EntryPoint's SenderCreator spends around the factory's work, generously: a call, the answer, memory. */
const senderCreatorGas = 10_000n;
/** Gas for the calls of an account that another factory than ours makes: nobody can ask what they cost. */
const firstCallGas = 300_000n;
/** Validation limit while estimating; the estimate is what was used, plus a tenth. */
const estimateValidationGas = 3_000_000n;

export type OwnBundlerOptions = {
  /** Pays the transactions and is repaid by the EntryPoint; holds nothing of the agent's. */
  readonly executor: PrivateKeyAccount;
  /** Most wei that a transaction of the purse may cost, all its gas at its highest price; 0.05 ETH when not given. */
  readonly mostWei?: bigint;
};

/** What a bundle of half a million gas costs at 100 gwei. */
const usuallyMostWei = 50_000_000_000_000_000n;

/**
 * A small bundler inside the runtime: one operation a bundle, every validation checked against ERC-7562 on the node's
 * `erc7562Tracer` before it is sent. For one operator's own accounts; it has no mempool and no reputation.
 *
 * The RPC has to offer `debug_traceCall` with that tracer (geth, EDR); use an RPC bundler elsewhere.
 */
export function ownBundler(chain: Chain, options: OwnBundlerOptions): Bundler {
  const { client } = chain;
  const { executor, mostWei = usuallyMostWei } = options;
  let sending: Promise<unknown> = Promise.resolve();
  /** Transactions whose nonce was not used when last looked at, by userOpHash. */
  const waiting = new Map<Hex, Bundle>();

  const handleOps = (userOp: PlainUserOp): Hex =>
    encodeFunctionData({
      abi: entryPointAbi,
      functionName: "handleOps",
      args: [[packUserOp(userOp)], executor.address],
    });

  /** Runs the whole bundle on the newest state without sending it; refuses what the rules or the chain refuse. */
  async function simulate(userOp: PlainUserOp): Promise<Validation> {
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
      throw new BundlerError(name, untraced, error);
    }
    if (typeof trace !== "object" || trace === null)
      throw new BundlerError(name, untraced, "it says nothing");
    const frame = validationFrame(trace, userOp.sender);
    const refused = frame?.error ? decodeRefusal((frame.output as Hex | undefined) ?? "0x") : undefined;
    if (refused) throw new ChainRefusalError({ ...refused, code: "AA23" });
    const { factory, sender } = userOp;
    const parties = { entryPoint: entryPointAddress, sender, factory };
    const violations = await checkTrace(chain, trace, parties);
    if (violations.length > 0)
      throw new ChainRefusalError({
        code: null,
        error: violations[0]!.rule,
        words: `validation breaks ERC-7562: ${violations.map((v) => `${v.rule} ${v.words}`).join("; ")}`,
      });
    const making = factory === undefined ? undefined : frameOf(trace, factory.toLowerCase());
    return { gas: BigInt(frame!.gasUsed ?? 0), makingGas: making && BigInt(making.gasUsed ?? 0) };
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

  /**
   * One transaction an operation, however often it is handed over: the same bytes again while the transaction waits; at
   * the same nonce, for more, when its fees are too low. A second transaction would be paid for and do nothing.
   */
  async function submit(userOpHash: Hex, userOp: PlainUserOp): Promise<void> {
    const used = await transactionCount("latest");
    for (const [key, { nonce }] of waiting) if (nonce < used) waiting.delete(key);
    const now = await readGasMarket(chain);
    const mine = waiting.get(userOpHash);
    const [elderHash, elder] = mine ? [] : sameNonce(userOp);
    if (mine && !isOutbid(mine.fees, now) && (await broadcast(mine.raw)) === "taken") return;
    const [deadHash, dead] = mine ? [] : elder ? [elderHash, elder] : await deadBundle();
    const replaced = mine ?? dead;
    const fees = replaced ? outbid(replaced.fees, feesIn(now)) : feesIn(now);
    const pending = await transactionCount("pending");
    const stray = replaced ? undefined : strayNonce(used, pending);
    if (deadHash) waiting.delete(deadHash);
    for (const nonce of stray === undefined ? [replaced?.nonce ?? pending] : [stray, pending]) {
      const raw = await signed(userOp, nonce, fees);
      // Kept before it leaves: an answer that is lost does not mean that the transaction is.
      waiting.set(userOpHash, { userOp, raw, nonce, fees });
      if ((await broadcast(raw)) === "taken") return;
      // What stands at the stray nonce is as dear as today's: it is included soon, and the next one is free.
    }
    waiting.delete(userOpHash);
    throw new BundlerError(name, "could not send its transaction", new Error("its fees are too low"));
  }

  /** The bundle's transaction. @throws BundlerError when it could cost the purse too much */
  function signed(userOp: PlainUserOp, nonce: number, fees: GasPrice): Promise<Hex> {
    const gas =
      userOp.verificationGasLimit +
      userOp.callGasLimit +
      userOp.preVerificationGas +
      (userOp.paymasterVerificationGasLimit ?? 0n) +
      (userOp.paymasterPostOpGasLimit ?? 0n) +
      100_000n;
    const costWei = gas * fees.maxFeePerGasWei;
    if (costWei > mostWei)
      throw new BundlerError(
        name,
        `sends nothing: it would cost the purse more than it may pay for one operation, ${etherUp(mostWei)} ETH`,
        new Error(`it could cost ${etherUp(costWei)} ETH`),
        "It is tried again, and gas may get cheaper. If it stays like this, raise `perOperation` of the bundler in the configuration.",
      );
    return executor.signTransaction({
      type: "eip1559",
      chainId: chain.chainId,
      nonce,
      to: entryPointAddress,
      data: handleOps(userOp),
      gas,
      maxFeePerGas: fees.maxFeePerGasWei,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    });
  }

  /**
   * The first nonce that a waiting transaction of the purse has that is no bundle of this process: an anchor, or what a process before
   * had sent. If its price has fallen behind it blocks all others; whoever outbids it gets its place, and it is sent anew by whoever wants it.
   */
  function strayNonce(used: number, pending: number): number | undefined {
    const ours = new Set([...waiting.values()].map(({ nonce }) => nonce));
    for (let nonce = used; nonce < pending; nonce++) if (!ours.has(nonce)) return nonce;
    return undefined;
  }

  const transactionCount = (blockTag: "latest" | "pending") =>
    ask(chain, () => client.getTransactionCount({ address: executor.address, blockTag }));

  /** The transaction of another operation with the same nonce, a fee bump's elder: the chain takes one of the two. */
  const sameNonce = ({ nonce, sender }: PlainUserOp): readonly [Hex, Bundle] | readonly [] =>
    [...waiting].find(([, { userOp }]) => userOp.sender === sender && userOp.nonce === nonce) ?? [];

  /** A transaction that blocks the nonces behind it and whose operation the chain would refuse by now. */
  async function deadBundle(): Promise<readonly [Hex, Bundle] | readonly []> {
    for (const [key, bundle] of waiting) {
      try {
        await dryRun(bundle.userOp);
      } catch (error) {
        if (!(error instanceof ChainRefusalError)) throw error;
        return [key, bundle];
      }
    }
    return [];
  }

  async function broadcast(raw: Hex): Promise<"taken" | "underpriced"> {
    try {
      await client.request({ method: "eth_sendRawTransaction", params: [raw] });
    } catch (error) {
      if (knownAnswer.test(wordsOf(error))) return "taken";
      if (isUnderpriced(error)) return "underpriced";
      const data = revertDataOf(error);
      if (data) throw new ChainRefusalError(decodeRefusal(data));
      throw new BundlerError(name, "could not send its transaction", error);
    }
    return "taken";
  }

  const paysFirst = async ({ paymaster, sender }: PlainUserOp): Promise<boolean> =>
    !paymaster &&
    (await ask(chain, () =>
      client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "balanceOf",
        args: [sender],
      }),
    )) === 0n;

  const gasPrice = async () => feesIn(await readGasMarket(chain));

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
      const { gas, makingGas } = await simulate(sized);
      const callGas =
        draft.callData === "0x"
          ? 0n
          : draft.factory && !asMade(draft)
            ? firstCallGas
            : draft.factory || restsOnValidation(draft)
              ? await probeCall(chain, name, draft)
              : await estimateCall(chain, name, draft);
      return {
        // A tenth more: the final signature has other bytes, and a first use touches colder storage.
        verificationGasLimit:
          ((gas + (makingGas ?? 0n)) * 11n) / 10n +
          entryPointValidationGas +
          ((await paysFirst(draft)) ? firstDepositGas : 0n) +
          (makingGas === undefined ? 0n : senderCreatorGas),
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
        const userOpHash = userOpHashOf(chain.chainId, userOp);
        await submit(userOpHash, userOp);
        return userOpHash;
      });
      sending = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** What a simulated validation used: the account's own gas, and that of the factory if it made the account first. */
type Validation = { readonly gas: bigint; readonly makingGas: bigint | undefined };

/** A bundle transaction as it was sent. */
type Bundle = {
  readonly userOp: PlainUserOp;
  readonly raw: Hex;
  readonly nonce: number;
  readonly fees: GasPrice;
};

/** The least that replaces a transaction everywhere: both fees an eighth higher (geth asks for a tenth), or today's. */
function outbid(old: GasPrice, today: GasPrice): GasPrice {
  const raised = (one: bigint, other: bigint) => (one > other ? one : other);
  return {
    maxFeePerGasWei: raised((old.maxFeePerGasWei * 9n) / 8n + 1n, today.maxFeePerGasWei),
    maxPriorityFeePerGasWei: raised(
      (old.maxPriorityFeePerGasWei * 9n) / 8n + 1n,
      today.maxPriorityFeePerGasWei,
    ),
  };
}

/** How nodes say that they hold these very bytes already (geth, Erigon, Reth · Nethermind · Besu, EDR · OpenEthereum). */
const knownAnswer = /already ?known|known transaction|already imported/i;
/** EIP-2028: 4 gas a zero byte, 16 any other. */
function calldataGas(data: Hex): bigint {
  let gas = 0n;
  for (let index = 2; index < data.length; index += 2)
    gas += data.slice(index, index + 2) === "00" ? 4n : 16n;
  return gas;
}
