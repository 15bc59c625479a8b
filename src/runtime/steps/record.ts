import { setPaymentState } from "../../journal/payments.ts";
import { decisionOf } from "../../journal/decisions.ts";
import type { DecisionContext } from "../decisionMachine.ts";
import type { Step } from "../house.ts";

/** Step 8. The decision is closed: its outcome enters the audit log, and the bill is paid or open again. */
export const record: Step = {
  when: "now",
  run({ decision, house }) {
    const { outcome } = decisionOf(house.journal, decision).snapshot["context"] as unknown as DecisionContext;
    if (outcome === null) throw new Error("A decision is recorded with its outcome.");
    return {
      value: { outcome },
      entry: { kind: "recorded", body: { outcome } },
      rows: () => setPaymentState(house.journal, decision, outcome === "paid" ? "paid" : "void"),
    };
  },
};
