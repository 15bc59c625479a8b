import { numberToHex, type Hex } from "viem";

import type { Json, JsonObject } from "../../core/json.ts";
import { isExecuted, type Operation, type Receipt } from "../../core/operation.ts";
import { isUnderpriced } from "../../chain/bundler/underpriced.ts";
import { ask, type Chain } from "../../chain/connectChain.ts";
import { PaymasterError } from "../../chain/errors.ts";
import { operationStatus, type OperationStatus } from "../../chain/findReceipt.ts";
import type { RecoveryFacts } from "../../chain/recovery.ts";
import { requireAgreement, requireSameChain, type Mark } from "../../chain/witness.ts";
import { isCancelled } from "../../journal/cancels.ts";
import { decisionsBetween, operationsFor, setOperationState } from "../../journal/operations.ts";
import type { Outcome } from "../decisionMachine.ts";
import { bumpFees } from "../bumpFees.ts";
import { hasParted } from "../hasParted.ts";
import type { House, Step, StepContext, StepResult } from "../house.ts";
import { PolicyChangedError } from "./sign.ts";
import { holdOwnLane, isReleased, laneName, requireFreeLane } from "../lane.ts";

const pollMs = 100;
/** How often the same bytes are sent again while the operation is open. */
const resendMs = 3_000;
/** How often the operator is listened to meanwhile. */
const listenMs = 1_000;
/** A log that is missing for longer than this, while the nonce is used at a final block, does not come any more. */
const silenceMs = 60_000;

type Operations = readonly [Operation, ...Operation[]];

/**
 * Step 7. userOpHash → Receipt, from our own RPC's events, waited for until it is final. Never from the bundler's word. What is to be
 * done meanwhile is the recovery table's (`recover`), the same after a crash as without one.
 */
export const settle: Step = {
  when: "later",
  turn: "none",
  async run(context) {
    const receipt = await settled(context);
    const { action } = context.output("parse") as { readonly action: string };
    const outcome: Outcome = receipt.outcome === "success" ? successOf(action) : receipt.outcome;
    return result(context, receipt, outcome);
  },
};

/** What an operation that succeeded makes of its decision. */
export const successOf = (action: string): Outcome => (action === "transfer" ? "paid" : "acted");

/** @throws LaneHeldError */
async function settled(context: StepContext): Promise<Receipt> {
  const { decision, house, signal } = context;
  const mark = markIn(context.output("sign") as JsonObject);
  let journal: RecoveryFacts["journal"] = "signed";
  /** Milliseconds for which the nonce has been used and no log told by what. */
  let silentMs = 0;
  /** A bundler said that the fees are too low. */
  let underpriced = isUnderpricedAnswer(context.output("send"));
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    requireFreeLane(house);
    const operations = operationsFor(house.journal, decision) as Operations;
    const known: Pick<RecoveryFacts, "journal" | "silent" | "released"> = {
      journal,
      silent: silentMs >= silenceMs,
      released: isReleased(house, operations[0].userOp.nonce),
    };
    const look = (chain: Chain): Promise<OperationStatus> =>
      operationStatus(chain, operations, mark.number, known);
    const status = await look(house.chain).catch(async (error: unknown): Promise<never> => {
      // A chain that ends before the mark can't answer: that is the reason, then, and not what it said.
      await requireSameChain(house.chain, mark);
      throw error;
    });
    const { act, row } = status.recovery;
    if (act === "settle" || act === "give-up" || act === "displace")
      await requireAgreement(house.chain, mark, status, look);
    if (act === "freeze") await requireSameChain(house.chain, mark);
    if (act === "settle") return status.landed!.receipt;
    if (act === "give-up") return neverRun("expired", operations[0].userOpHash, status);
    if (act === "displace") return neverRun("displaced", operations[0].userOpHash, status);
    if (act === "freeze") throw await holdOwnLane(house, status.next, status.stranger);
    if (signal.aborted) throw signal.reason;
    journal = status.landed ? "included" : "signed";
    silentMs = row === "unseen" ? silentMs + pollMs : 0;
    if (waitedMs % listenMs === 0) await house.listen?.();
    // What is cancelled, or whose payer parted, is left to itself: it is included by whoever has it, or its time runs out.
    const again = waitedMs > 0 && waitedMs % resendMs === 0;
    if (again && !isCancelled(house.journal, decision) && !hasParted(context)) {
      const attempt = waitedMs / resendMs;
      if (act === "resend-predecessor") await resendPredecessors(house, operations[0], status.next, attempt);
      if (act === "resend" || act === "resend-predecessor")
        underpriced = await sendAgain(context, operations.at(-1)!, underpriced, attempt);
    }
    await house.sleep(pollMs, signal);
  }
}

/** The final block at which the operation was signed. Journals of before hold no hash of it. */
function markIn(signed: JsonObject): Mark {
  const { fromBlock, fromHash = null } = signed as { readonly fromBlock: string; readonly fromHash?: Hex };
  return { number: BigInt(fromBlock), hash: fromHash };
}

const neverRun = (
  outcome: "expired" | "displaced",
  userOpHash: Hex,
  { final }: OperationStatus,
): Receipt => ({
  outcome,
  userOpHash,
  blockNumber: final.number.toString(),
});

/**
 * The same bytes again, or the operation for more gas where that is needed and allowed. The answer does not matter: the next look at
 * the chain tells. Once the newest block is past its time nobody would take it.
 *
 * @returns whether the bundler says that the fees are too low
 */
async function sendAgain(
  context: StepContext,
  newest: Operation,
  underpriced: boolean,
  attempt: number,
): Promise<boolean> {
  const { house } = context;
  const { timestamp } = await ask(house.chain, () => house.chain.client.getBlock({ blockTag: "latest" }));
  if (timestamp > BigInt(newest.validUntil)) return false;
  const bump = await bumpFees(context, newest, underpriced).catch((error: unknown) => {
    // Whoever paid for the first one need not pay for a second; and what was signed stays what it is under another policy.
    if (error instanceof PaymasterError || error instanceof PolicyChangedError) return undefined;
    throw error;
  });
  const operation = bump ?? newest;
  return resend(house, operation, attempt);
}

const resend = (house: House, { userOp }: Operation, attempt: number): Promise<boolean> =>
  house.bundler.send(userOp, attempt).then(() => false, isUnderpriced);

const isUnderpricedAnswer = (sent: Json): boolean => (sent as { underpriced?: boolean }).underpriced === true;

/** What was final and is gone: the lane takes nothing of ours before it. */
async function resendPredecessors(
  house: House,
  { userOp }: Operation,
  next: bigint,
  attempt: number,
): Promise<void> {
  for (const decision of decisionsBetween(house.journal, laneName(house), numberToHex(next), userOp.nonce))
    for (const operation of operationsFor(house.journal, decision)) await resend(house, operation, attempt);
}

function result({ decision, house }: StepContext, receipt: Receipt, outcome: Outcome): StepResult {
  return {
    value: { receipt: receipt as unknown as JsonObject },
    signal: { next: "end", outcome },
    entry: {
      kind: "settled",
      body: {
        userOpHash: receipt.userOpHash,
        outcome: receipt.outcome,
        ...(isExecuted(receipt) ? { transaction: receipt.transaction, block: receipt.blockHash } : {}),
      },
    },
    rows() {
      const [{ userOpHash }] = operationsFor(house.journal, decision) as Operations;
      setOperationState(house.journal, userOpHash, receipt.outcome === "expired" ? "expired" : "settled");
    },
  };
}
