import { sendTransaction } from "../../chain/deploy.ts";
import type { Call } from "../../core/operation.ts";
import { DelegationError, unlessStopped } from "./answers.ts";
import type { Brought, HandOverOptions } from "./handOverOptions.ts";

/** How long the chain is watched for what a wallet or somebody else sends, in milliseconds, and how often it is asked. */
const watchMs = 300_000;
const pollMs = 500;

/**
 * Most gas that the purse pays for one call. What a wallet signs may name code of strangers that runs on the way (ERC-6492): whoever wants
 * more than a contract wallet's deployment costs pays for it himself.
 */
const mostGas = 3_000_000n;

/** Has the purse send a call, or tells whoever sits here that somebody has to. */
export async function bring(
  {
    chain,
    purse,
    purseTurns,
    signal,
    tell,
  }: Pick<HandOverOptions, "chain" | "purse" | "purseTurns" | "signal" | "tell">,
  what: Brought,
  call: Call,
): Promise<void> {
  await unlessStopped(signal, Promise.resolve());
  if (!purse) return tell({ kind: "bring", what, call: { to: call.to, data: call.data } });
  let tooMuch = false;
  try {
    const transaction = await purseTurns.take("usual", () =>
      sendTransaction(chain, purse, {
        to: call.to,
        data: call.data,
        onFee(mostWei, maxFeePerGasWei) {
          tooMuch = mostWei > mostGas * maxFeePerGasWei;
          if (tooMuch) throw new DelegationError(`It takes more than ${mostGas} gas.`);
        },
      }),
    );
    tell({ kind: "sent", what, transaction });
  } catch (error) {
    if (!tooMuch) throw error;
    tell({ kind: "bring", what, call: { to: call.to, data: call.data } });
  }
}

/** Watches the chain until something holds. @throws DelegationError when it does not within five minutes, or when it was stopped */
export async function until(
  { signal, sleep }: Pick<HandOverOptions, "signal" | "sleep">,
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  for (let waited = 0; waited < watchMs && !signal.aborted; waited += pollMs) {
    if (await holds()) return;
    await sleep(pollMs, signal);
  }
  throw new DelegationError(signal.aborted ? "It was stopped." : `Waited in vain for ${what}.`, {
    remedy: "What is not on the chain is not delegated. Start again.",
  });
}
