import { concatHex, toHex, zeroAddress, type Address, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Call } from "../core/operation.ts";
import { entryPointAbi } from "./abi/entryPoint.ts";
import type { Bundler } from "./bundler/bundler.ts";
import { ask, finalBlock, type Chain } from "./connectChain.ts";
import { entryPointAddress, toUserOpJson, userOpHashOf, type PlainUserOp } from "./entryPoint.ts";
import { BundlerError, ChainRefusalError } from "./errors.ts";
import { operationStatus } from "./findReceipt.ts";
import { encodeCalls } from "./signOperation.ts";

/** 65 bytes that no key made, so that validation runs to its end while gas is estimated. */
const stubSignature: Hex = concatHex([toHex(1n, { size: 32 }), toHex(1n, { size: 32 }), "0x1b"]);

/** How often, and how many times, the chain is asked: two minutes, as long as a public bundler takes at worst. */
const pollMs = 500;
const mostPolls = 240;

/** The owner's operation has no end of its own. */
const forEver = Number.MAX_SAFE_INTEGER;

/**
 * All calls in one user operation of the owner's key: one signature, all or nothing, gas out of the account.
 *
 * @returns the transaction that included it
 * @throws ChainRefusalError when one of the calls is refused · BundlerError when it was not included in time
 */
export async function sendAsOwner(
  chain: Chain,
  bundler: Bundler,
  owner: PrivateKeyAccount,
  account: Address,
  calls: readonly Call[],
  sleep: (milliseconds: number) => Promise<void>,
): Promise<Hex> {
  const [fees, nonce, from] = await Promise.all([
    bundler.gasPrice(),
    ask(chain, () =>
      chain.client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "getNonce",
        args: [account, 0n],
      }),
    ),
    finalBlock(chain),
  ]);
  const draft: PlainUserOp = {
    sender: account,
    nonce,
    callData: encodeCalls(calls),
    callGasLimit: 0n,
    verificationGasLimit: 0n,
    preVerificationGas: 0n,
    maxFeePerGas: fees.maxFeePerGasWei,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    signature: stubSignature,
  };
  const userOp = { ...draft, ...(await bundler.estimateGas(draft)) };
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
    // The owner's nonces have the key zero, as the lane of nobody's address has.
    const status = await operationStatus(chain, operation, zeroAddress, fromBlock);
    if (status.kind === "included") {
      const { outcome, revertReason, transaction } = status.receipt;
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
  );
}
