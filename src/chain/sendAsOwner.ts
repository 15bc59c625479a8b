import { concatHex, size, toHex, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Call } from "../core/operation.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import type { Bundler } from "./bundler/bundler.ts";
import { ask, finalBlock, type Chain } from "./connectChain.ts";
import { entryPointAddress, toUserOpJson, userOpHashOf, type PlainUserOp } from "./entryPoint.ts";
import { BundlerError, ChainRefusalError, FeeTooHighError, OwnerNonceError } from "./errors.ts";
import { estimateCall } from "./estimateCall.ts";
import { operationStatus } from "./findReceipt.ts";
import { least } from "./gasMarket.ts";
import { encodeCalls } from "./signOperation.ts";

/** 65 bytes that no key made, so that validation runs to its end while gas is estimated. */
const stubSignature: Hex = concatHex([toHex(1n, { size: 32 }), toHex(1n, { size: 32 }), "0x1b"]);

/** How often, and how many times, the chain is asked: two minutes, as long as a public bundler takes at worst. */
const pollMs = 500;
const mostPolls = 240;

/** The owner's operation has no end of its own. */
const forEver = Number.MAX_SAFE_INTEGER;

/** The most that one operation of the owner may cost in gas, unless the owner says another figure. */
export const defaultMaxFeeWei = 20_000_000_000_000_000n;
/** Most that a bundler may ask for beside what the operation's own bytes cost it (elsewhere: data on the first layer). */
const dataAllowanceWei = 2_000_000_000_000_000n;
/** What a bundle costs beside its bytes, and a byte at its dearest (EIP-7623), generously. */
const plentyOverheadGas = 60_000n;
const plentyByteGas = 40n;
/** The check of one key's signature takes a tenth of it. */
const mostVerificationGas = 500_000n;

/** Everything but the owner's signature. */
export type OwnerOperation = {
  readonly userOp: PlainUserOp;
  /** All its gas at its highest price: what the account may lose by it, whatever the bundler does. */
  readonly mostFeeWei: bigint;
};

/**
 * All calls in one user operation, with its gas. A bundler earns what an operation pays, so its figures are hints: the price
 * comes from our own RPC (`rpcBundler`), gas for the calls from our own estimate, and the whole has a ceiling.
 *
 * @param maxFeeWei The owner's own ceiling. Where there is none, `defaultMaxFeeWei`, and no more gas for the bundle than its
 * bytes explain.
 * @throws ChainRefusalError when one of the calls is refused · FeeTooHighError
 */
export async function prepareAsOwner(
  chain: Chain,
  bundler: Bundler,
  account: Address,
  calls: readonly Call[],
  maxFeeWei: bigint | undefined,
): Promise<OwnerOperation> {
  const [fees, nonce] = await Promise.all([
    bundler.gasPrice(),
    ask(chain, () =>
      chain.client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "getNonce",
        args: [account, 0n],
      }),
    ),
  ]);
  const { maxFeePerGasWei } = fees;
  const draft: PlainUserOp = {
    sender: account,
    nonce,
    callData: encodeCalls(calls),
    callGasLimit: 0n,
    verificationGasLimit: 0n,
    preVerificationGas: 0n,
    maxFeePerGas: maxFeePerGasWei,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    signature: stubSignature,
  };
  const asked = await bundler.estimateGas(draft);
  const callGas = await estimateCall(chain, bundler.name, draft);
  const { preVerificationGas } = asked;
  const verificationGasLimit = least(asked.verificationGasLimit, mostVerificationGas);
  const callGasLimit = least(asked.callGasLimit, callGas * 2n + 100_000n);
  const userOp = { ...draft, preVerificationGas, verificationGasLimit, callGasLimit };
  const mostFeeWei = (preVerificationGas + verificationGasLimit + callGasLimit) * maxFeePerGasWei;
  const plenty = plentyOverheadGas + plentyByteGas * BigInt(size(userOp.callData) + fixedBytes);
  const facts = {
    mostWei: mostFeeWei,
    maxFeeWei: maxFeeWei ?? defaultMaxFeeWei,
    maxFeePerGasWei,
    gas: `${preVerificationGas} for the bundle, ${verificationGasLimit} for the signature, ${callGasLimit} for the calls`,
    bundler: bundler.name,
  };
  if (mostFeeWei > facts.maxFeeWei)
    throw new FeeTooHighError("The owner's operation could cost more gas than is allowed.", facts);
  if (maxFeeWei === undefined && (preVerificationGas - plenty) * maxFeePerGasWei > dataAllowanceWei)
    throw new FeeTooHighError("The bundler asks for much more gas than its bundle can cost.", facts);
  return { userOp, mostFeeWei };
}

/** Bytes of a bundle with one operation that are not its callData. */
const fixedBytes = 1_000;

/**
 * Signs what was prepared, sends it and waits for it.
 *
 * @returns the transaction that included it
 * @throws ChainRefusalError when one of the calls is refused · BundlerError when it was not included in time · OwnerNonceError
 */
export async function sendAsOwner(
  chain: Chain,
  bundler: Bundler,
  owner: PrivateKeyAccount,
  { userOp }: OwnerOperation,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<Hex> {
  const from = await finalBlock(chain);
  const userOpHash = userOpHashOf(chain.chainId, userOp);
  const signed = toUserOpJson({ ...userOp, signature: await owner.sign({ hash: userOpHash }) });
  await bundler.send(signed);
  const operation = {
    chainId: chain.chainId,
    entryPoint: entryPointAddress,
    userOp: signed,
    userOpHash,
    validAfter: 0,
    validUntil: forEver,
    treeSize: 0,
    treeRoot: userOpHash,
  };
  const fromBlock = from.number < 0n ? 0n : from.number;
  for (let poll = 0; poll < mostPolls; poll++) {
    const { landed, stranger } = await operationStatus(chain, [operation], fromBlock);
    if (stranger) throw new OwnerNonceError(userOp.sender, stranger.transaction);
    if (landed) {
      const { outcome, revertReason, transaction } = landed.receipt;
      if (outcome === "success") return transaction;
      throw new ChainRefusalError({
        code: null,
        error: revertReason ?? "reverted",
        words: `the owner's operation reverted: ${revertReason ?? "no reason given"}`,
      });
    }
    await sleep(pollMs);
  }
  throw new BundlerError(
    bundler.name,
    "did not include the owner's operation within two minutes",
    userOpHash,
    "It may still be included. Run the command again: it looks at the chain first, and what it signs has the same nonce, so that only one of the two can be included.",
  );
}
