import type { JsonObject } from "../../core/json.ts";
import type { Operation, Receipt } from "../../core/operation.ts";
import { operationStatus } from "../../chain/findReceipt.ts";
import { operationOf, setOperationState } from "../../journal/operations.ts";
import type { Outcome } from "../decisionMachine.ts";
import type { House, Step, StepContext, StepResult } from "../house.ts";

const pollMs = 100;
/** How often the same bytes are sent again while the operation is open. */
const resendMs = 3_000;

/** Step 7. userOpHash → Receipt, from our own RPC's events, waited for until it is final. Never from the bundler's word. */
export const settle: Step = {
  when: "later",
  async run(context) {
    const operation = operationOf(context.house.journal, context.decision)!;
    const receipt = await settled(context, operation);
    const { action } = context.output("parse") as { readonly action: string };
    const outcome: Outcome = receipt.outcome === "success" ? successOf(action) : receipt.outcome;
    return result(context, operation, receipt, outcome);
  },
};

/** What an operation that succeeded makes of its decision. */
export const successOf = (action: string): Outcome => (action === "transfer" ? "paid" : "acted");

async function settled(context: StepContext, operation: Operation): Promise<Receipt> {
  const { house, signal } = context;
  const fromBlock = BigInt((context.output("sign") as { fromBlock: string }).fromBlock);
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const status = await operationStatus(house.chain, operation, house.policy.agent, fromBlock);
    if (status.kind === "included" && status.final) return status.receipt;
    if (status.kind === "expired")
      return {
        outcome: "expired",
        userOpHash: operation.userOpHash,
        blockNumber: status.blockNumber.toString(),
      };
    if (signal.aborted) throw signal.reason;
    if (status.kind === "open" && waitedMs > 0 && waitedMs % resendMs === 0) await resend(house, operation);
    await house.sleep(pollMs, signal);
  }
}

/** The same bytes again. Its answer does not matter: the next look at the chain tells. */
async function resend(house: House, operation: Operation): Promise<void> {
  await house.bundler.send(operation.userOp).catch(() => undefined);
}

function result(
  { house }: StepContext,
  operation: Operation,
  receipt: Receipt,
  outcome: Outcome,
): StepResult {
  return {
    value: { receipt: receipt as unknown as JsonObject },
    signal: { next: "end", outcome },
    entry: {
      kind: "settled",
      body: {
        userOpHash: operation.userOpHash,
        outcome: receipt.outcome,
        ...(receipt.outcome === "expired"
          ? {}
          : { transaction: receipt.transaction, block: receipt.blockHash }),
      },
    },
    rows: () =>
      setOperationState(
        house.journal,
        operation.userOpHash,
        receipt.outcome === "expired" ? "expired" : "settled",
      ),
  };
}
