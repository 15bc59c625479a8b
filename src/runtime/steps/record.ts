import type { Hex } from "viem";

import { isCancelled } from "../../journal/cancels.ts";
import { appendEntry } from "../../journal/entries.ts";
import { setPaymentState, type PaymentRow } from "../../journal/payments.ts";
import { retryTrigger } from "../../journal/triggers.ts";
import type { Outcome } from "../decisionMachine.ts";
import type { Step, StepContext } from "../house.ts";
import { retryPauseMs } from "../retryPause.ts";

/**
 * Refusals at signing that say nothing about the payment: gas funds (AA21), the claim's time (AA22), the nonce (AA25).
 * Everything else the chain refuses (a limit, a payee, a freeze) it would refuse again.
 */
const passingRefusals: ReadonlySet<string> = new Set(["AA21", "AA22", "AA25"]);

/**
 * Step 8. The decision is closed: its outcome enters the audit log, and the bill is paid or open again. A bill that was
 * to be paid and was not, because time ran out or the chain could not take the operation just then, gets a new decision.
 */
export const record: Step = {
  when: "now",
  run(context) {
    const { decision, house } = context;
    const { outcome } = context.machineContext();
    if (outcome === null) throw new Error("A decision is recorded with its outcome.");
    return {
      value: { outcome },
      entry: { kind: "recorded", body: { outcome } },
      rows() {
        setPaymentState(house.journal, decision, paymentStateOf(outcome));
        if (worthRepeating(context, outcome)) reopen(context, outcome);
      },
    };
  },
};

/**
 * What becomes of the bill. `displaced`: somebody else's operation took the place, and it may have paid this very bill (a second runtime, a
 * fee bump that a backup does not know), so the bill keeps standing against a second payment.
 */
export function paymentStateOf(outcome: Outcome): PaymentRow["state"] {
  if (outcome === "displaced") return "pending";
  return outcome === "paid" || outcome === "acted" ? "paid" : "void";
}

/** `reverted` is not: the nonce is spent and the chain has said no to this very payment. Nor is what the operator cancelled. */
function worthRepeating({ decision, house, maybeOutput }: StepContext, outcome: Outcome): boolean {
  if (isCancelled(house.journal, decision)) return false;
  if (outcome === "expired") return true;
  if (outcome !== "refused") return false;
  const { refusal } = (maybeOutput("sign") ?? {}) as { readonly refusal?: { readonly code: string | null } };
  return passingRefusals.has(refusal?.code ?? "");
}

function reopen({ decision, house, machineContext, output, trigger }: StepContext, outcome: Outcome): void {
  const { journal, agent } = house;
  const { leaf } = output("seal") as { readonly leaf: Hex };
  const { endedAtMs } = machineContext();
  const retry = retryTrigger(journal, agent.name, trigger, leaf, (retries) =>
    endedAtMs === null ? 0 : endedAtMs + retryPauseMs(retries, house.retryPauseMs),
  );
  const ended = { decision, leaf, outcome };
  if (retry === undefined) appendEntry(journal, agent.name, "given-up", ended);
  else appendEntry(journal, agent.name, "reopened", { ...ended, trigger: retry });
}
