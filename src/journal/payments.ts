import { canonicalize, parseCanonical } from "../core/canonical.ts";
import type { JournalDatabase } from "./openJournal.ts";

/** A bill that was paid or is being paid. `void`: the operation reverted or expired, so the bill is still open. */
export type PaymentRow = {
  readonly decision: string;
  readonly payee: string;
  readonly reference: string;
  /** Everything in the bill's whole message that could be a reference. */
  readonly references: readonly string[];
  /** Unix seconds of the block that the decision was taken at. */
  readonly at: number;
  readonly asset: string;
  readonly amountUnits: string;
  readonly words: string;
  readonly state: "pending" | "paid" | "void";
};

export function putPayment(
  database: JournalDatabase,
  agent: string,
  payment: Omit<PaymentRow, "state">,
): void {
  database.run(
    "insert into payment values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
    payment.decision,
    agent,
    payment.payee,
    payment.reference,
    canonicalize(payment.references),
    payment.at,
    payment.asset,
    payment.amountUnits,
    payment.words,
  );
}

export function setPaymentState(
  database: JournalDatabase,
  decision: string,
  state: PaymentRow["state"],
): void {
  database.run("update payment set state = ? where decision = ?", state, decision);
}

/** Payments to a payee that count against a duplicate: paid and under way. */
export function standingPayments(
  database: JournalDatabase,
  agent: string,
  payee: string,
): readonly PaymentRow[] {
  return database
    .all("select * from payment where agent = ? and payee = ? and state <> 'void'", agent, payee)
    .map((row) => ({
      decision: String(row["decision"]),
      payee: String(row["payee"]),
      reference: String(row["reference"]),
      references: parseCanonical(String(row["references_"])) as readonly string[],
      at: Number(row["at"]),
      asset: String(row["asset"]),
      amountUnits: String(row["amount_units"]),
      words: String(row["words"]),
      state: row["state"] as PaymentRow["state"],
    }));
}
