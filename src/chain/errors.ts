import { formatGwei, type Address, type Hex } from "viem";

import { etherUp } from "../core/amount.ts";
import { BaseError } from "../core/errors.ts";

/** The RPC does not answer, or answers with a failure of its own. */
export class RpcUnreachableError extends BaseError {
  override readonly name = "RpcUnreachableError";
  constructor(url: string, cause: unknown) {
    super("The chain's RPC does not answer.", {
      remedy:
        "Check that the node runs and that the URL in the configuration is right; nothing is lost, the runtime continues where it was.",
      facts: { rpc: withoutCredentials(url), detail: firstLine(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** The RPC answers something that is no answer: half a response, a page of a proxy, a block that it does not know, that it is not paid. */
export class RpcAnswerError extends BaseError {
  override readonly name = "RpcAnswerError";
  constructor(url: string, cause: unknown) {
    super("The chain's RPC gives no answer that can be used.", {
      remedy:
        "It is asked again. If it stays so, use another node; nothing is lost, the runtime continues where it was.",
      facts: { rpc: withoutCredentials(url), detail: firstLine(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** The RPC serves another chain than the one the policy was granted on. */
export class WrongChainError extends BaseError {
  override readonly name = "WrongChainError";
  constructor(expected: number, actual: number, url: string) {
    super(`The RPC serves chain ${actual}, but the configuration and the policy are for chain ${expected}.`, {
      remedy: "Point `rpc` at the right network, or correct `chainId` and the policy together.",
      facts: { expected, actual, rpc: withoutCredentials(url) },
    });
  }
}

/** A block that was final is another one now: a node of another chain with the same id, or a chain that was rewritten. */
export class ChainReplacedError extends BaseError {
  override readonly name = "ChainReplacedError";
  constructor(url: string, block: { readonly number: bigint; readonly hash: Hex; readonly now: string }) {
    super("The RPC shows another chain than the one on which the agent signed.", {
      remedy:
        "Point `rpc` at the chain that the agent ran on: until then nothing counts as unpaid, and nothing is signed. A local chain that was started anew needs a new state folder.",
      facts: { rpc: withoutCredentials(url), block: block.number, before: block.hash, now: block.now },
    });
  }
}

/** Two nodes of one chain tell different things about something that can't be taken back. */
export class WitnessError extends BaseError {
  override readonly name = "WitnessError";
  constructor(url: string, words: string) {
    super(`Two nodes of the chain tell different things about an operation; the second one says: ${words}.`, {
      remedy: "It is asked again, and nothing is decided meanwhile. If it stays so, one of the two lies.",
      facts: { witness: withoutCredentials(url) },
      retry: "safe",
    });
  }
}

/** A contract that has to be on the chain is not. */
export class MissingContractError extends BaseError {
  override readonly name = "MissingContractError";
  constructor(what: string, address: Address, chainId: number) {
    super(`There is no ${what} at ${address} on chain ${chainId}.`, {
      remedy: "Check the address in the configuration, or deploy it first.",
      facts: { address, chainId },
    });
  }
}

/** A keystore that can't be read or opened. */
export class KeystoreError extends BaseError {
  override readonly name = "KeystoreError";
}

/** The bundler did not take an operation, for a reason that is not a refusal by the chain. */
export class BundlerError extends BaseError {
  override readonly name = "BundlerError";
  constructor(
    bundler: string,
    what: string,
    cause: unknown,
    remedy = "Nothing is lost: the signed operation is in the journal and the same bytes are sent again.",
  ) {
    super(`The bundler ${bundler} ${what}.`, {
      remedy,
      facts: { detail: firstLine(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** The paymaster does not pay for an operation, or not in a way that can be used. Nothing was signed. */
export class PaymasterError extends BaseError {
  override readonly name = "PaymasterError";
  constructor(
    paymaster: string,
    what: string,
    cause: unknown,
    remedy = "Nothing was signed, and the decision waits: it is asked again. If it stays like this, see with whoever runs the paymaster, or take it out of the configuration and the policy.",
  ) {
    super(`The paymaster ${paymaster} ${what}.`, {
      remedy,
      facts: { detail: firstLine(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** What the owner's key is about to sign could cost more gas than the owner agreed to, or than there is a reason for. */
export class FeeTooHighError extends BaseError {
  override readonly name = "FeeTooHighError";
  constructor(
    words: string,
    facts: {
      readonly mostWei: bigint;
      readonly maxFeeWei: bigint;
      readonly maxFeePerGasWei: bigint;
      readonly gas: string;
      readonly bundler?: string;
    },
  ) {
    super(words, {
      remedy: `${facts.bundler === undefined ? "Wait for lower prices." : "Nothing was signed. Use another bundler, or send plain transactions of the owner's key, which pay none, with --as transactions."} If the price is right, allow it with --max-fee "${etherUp(facts.mostWei)} ETH".`,
      facts: {
        bundler: facts.bundler,
        "could cost": `${etherUp(facts.mostWei)} ETH`,
        "most allowed": `${etherUp(facts.maxFeeWei)} ETH`,
        gas: facts.gas,
        price: `${formatGwei(facts.maxFeePerGasWei)} gwei`,
      },
    });
  }
}

/** Gas is too dear for the policy just now, or the bundler asks for too much of it. It says nothing about the payment. */
export class FeeCapError extends BaseError {
  override readonly name = "FeeCapError";
  constructor(fee: { readonly mostWei: bigint; readonly feeCapWei: bigint; readonly gas: bigint }) {
    super("The operation could cost more gas than the policy allows one operation.", {
      remedy:
        "Nothing was signed, and the decision waits for a lower price. If it stays like this, use another bundler, or install a policy with a higher gas.perOperation.",
      facts: {
        "could cost": `${etherUp(fee.mostWei)} ETH`,
        "fee cap": `${etherUp(fee.feeCapWei)} ETH`,
        gas: fee.gas,
      },
      retry: "safe",
    });
  }
}

/** A plain transaction that the node does not take, or that no block has yet. What it was to do may be done all the same. */
export class TransactionError extends BaseError {
  override readonly name = "TransactionError";
  constructor(
    words: string,
    facts: { readonly sender: Address } | { readonly transaction: Hex },
    cause?: unknown,
  ) {
    super(words, {
      remedy:
        "It may be on the chain all the same, or come there later. Whatever does it again looks there first.",
      facts: { ...facts, detail: cause === undefined ? undefined : nodeWords(cause) },
      cause,
      retry: "safe",
    });
  }
}

/** The chain (or a simulation on it) refused an operation; the reason is decoded from its own revert data. */
export class ChainRefusalError extends BaseError {
  override readonly name = "ChainRefusalError";
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(`The chain refuses the operation: ${refusal.words}`, {
      facts: { error: refusal.error, code: refusal.code ?? undefined },
    });
    this.refusal = refusal;
  }
}

/** A refusal decoded: EntryPoint code (`AA23`), the contract's own error, and both in words. */
export type Refusal = {
  readonly code: string | null;
  /** Name and arguments of the custom error, e.g. `OverPerCall(2400000000, 500000000)`. */
  readonly error: string;
  readonly words: string;
};

/** The owner's nonce was used by another operation while this one was on its way. */
export class OwnerNonceError extends BaseError {
  override readonly name = "OwnerNonceError";
  constructor(account: Address, transaction: Hex) {
    super("Another operation of the owner took the nonce, so this one can't be included.", {
      remedy:
        "If it was yours, run the command again: it looks at the chain first. If not, somebody else holds the owner's key.",
      facts: { account, transaction },
    });
  }
}

/** viem puts the node's own words beside its own. */
const nodeWords = (cause: unknown) => {
  const { details } = cause as { readonly details?: unknown };
  return firstLine(typeof details === "string" && details !== "" ? details : cause);
};

const firstLine = (cause: unknown) =>
  (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!.slice(0, 200);

/** URLs may carry an API key: show scheme, host and port only. */
function withoutCredentials(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "(not a URL)";
  }
}
