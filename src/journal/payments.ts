import { canonicalize } from "../core/canonical.ts";
import type { JournalDatabase } from "./openJournal.ts";
import { query } from "./query.ts";
import type { Tables } from "./tables.ts";

/** A bill that was paid or is being paid. `void`: the operation reverted or expired, so the bill is still open.
 * `pending` for good: somebody else's operation took its place, and may have paid it. */
export type PaymentRow = {
  readonly decision: string;
  readonly payee: string;
  /** The payee's address in lower case; empty where nobody is paid, null in a row of an earlier version. */
  readonly address: string | null;
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

const insertPayment = query((tables, row: Tables["payment"]) => tables.insertInto("payment").values(row));
const updateState = query((tables, { decision, state }: Pick<Tables["payment"], "decision" | "state">) =>
  tables.updateTable("payment").set({ state }).where("decision", "=", decision),
);
const standing = query((tables, { agent, payee }: { agent: string; payee: string }) =>
  tables
    .selectFrom("payment")
    .selectAll()
    .where("agent", "=", agent)
    .where("payee", "=", payee)
    .where("state", "<>", "void"),
);
type Paid = { readonly agent: string; readonly payee: string; readonly address: string };
const standingUnderOtherNames = query((tables, { address, agent, payee }: Paid) =>
  tables
    .selectFrom("payment")
    .selectAll()
    .where("agent", "=", agent)
    .where("payee_address", "=", address)
    .where("payee", "<>", payee)
    .where("state", "<>", "void"),
);
const standingToSomebody = query((tables, { agent, payee }: Omit<Paid, "address">) =>
  tables
    .selectFrom("payment")
    .selectAll()
    .where("agent", "=", agent)
    .where("payee_address", "is", null)
    .where("payee", "<>", payee)
    .where("state", "<>", "void"),
);
const paymentOfDecision = query((tables, { decision }: { decision: string }) =>
  tables.selectFrom("payment").selectAll().where("decision", "=", decision),
);

export function putPayment(
  database: JournalDatabase,
  agent: string,
  payment: Omit<PaymentRow, "state">,
): void {
  const { address, amountUnits, references, ...same } = payment;
  database.run(
    insertPayment({
      ...same,
      agent,
      payee_address: address,
      references_: canonicalize(references),
      amount_units: amountUnits,
      state: "pending",
    }),
  );
}

export function setPaymentState(
  database: JournalDatabase,
  decision: string,
  state: PaymentRow["state"],
): void {
  database.run(updateState({ state, decision }));
}

/** A decision's payment as the table holds it. */
export const paymentRowOf = (
  database: Pick<JournalDatabase, "get">,
  decision: string,
): Tables["payment"] | undefined => database.get(paymentOfDecision({ decision }));

/**
 * Payments that count against a duplicate, paid and under way: to a payee by its name, to its address under any other name, and, where
 * the address was not kept yet, under names that the policy no longer has (`names` are those it has).
 */
export function standingPayments(
  database: Pick<JournalDatabase, "all">,
  agent: string,
  { address, payee }: Pick<PaymentRow, "payee"> & { readonly address: string },
  names: readonly string[],
): readonly PaymentRow[] {
  const gone = (row: Tables["payment"]) => !names.includes(row.payee) && !row.payee.startsWith("act:");
  const rows =
    address === ""
      ? database.all(standing({ agent, payee }))
      : [
          ...database.all(standing({ agent, payee })),
          ...database.all(standingUnderOtherNames({ agent, address, payee })),
          ...database.all(standingToSomebody({ agent, payee })).filter(gone),
        ];
  return rows.map((row) => ({
    decision: row.decision,
    payee: row.payee,
    address: row.payee_address,
    reference: row.reference,
    references: JSON.parse(row.references_) as readonly string[],
    at: row.at,
    asset: row.asset,
    amountUnits: row.amount_units,
    words: row.words,
    state: row.state,
  }));
}
