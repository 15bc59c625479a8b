import type { StandingDelegation } from "../runtime/delegate/readDelegations.ts";

type Row = Pick<
  StandingDelegation,
  "budget" | "delegation" | "permission" | "state" | "unknown" | "validUntil"
>;

/** Whether the payer has ended all that was signed in that epoch. */
export const isOfOldEpoch = ({ budget, delegation }: Pick<Row, "budget" | "delegation">): boolean =>
  budget !== undefined && delegation.grant["epoch"] !== budget.epoch.toString();

/** Whether the chain has it in force, whatever the journal says: what was sent before a crash may be mined after it. */
export const isGranted = (row: Row): boolean =>
  row.permission?.revoked === false || (row.budget?.status === "granted" && !isOfOldEpoch(row));

/** Whether it may be in force, for all that is known: the chain did not say, and its time is not over. @param nowSeconds unix time */
export const isUnknown = ({ unknown, validUntil }: Row, nowSeconds: number): boolean =>
  unknown !== undefined && validUntil >= nowSeconds;

/** What the chain says beats what the journal says. @param nowSeconds unix time */
export function standing(row: Row, nowSeconds: number): string {
  if (row.permission?.revoked || row.budget?.status === "revoked" || isOfOldEpoch(row))
    return "revoked on the chain";
  if (row.validUntil < nowSeconds && row.state !== "ended") return "expired";
  if (isUnknown(row, nowSeconds)) return `unknown: ${row.unknown}`;
  const { budget, state } = row;
  if (budget && "made" in budget && state === "inForce") {
    if (!budget.made) return "signed, not deployed yet: the agent's first operation makes the account";
    if (budget.frozen) return "frozen on the chain";
    if (budget.status === "unknown") return "signed: the first operation under it brings it";
  }
  if (row.budget?.leftInTotal === 0n && row.state === "inForce") return "used up";
  if (budget && !("made" in budget) && state === "inForce") {
    if (budget.status === "unknown") return "not granted on the chain";
    if (budget.allowance === 0n) return "in force, and nothing can be pulled: there is no allowance";
  }
  if (state === "inForce" && row.permission && row.permission.refusal !== null)
    return `in force, and refused by the chain now: ${row.permission.refusal}`;
  const untaken = isGranted(row) ? "granted on the chain, and not taken up by the agent" : undefined;
  return {
    asked: untaken ?? "not signed",
    inForce: "in force",
    paused: "paused: the agent leaves it alone",
    ended: untaken ?? "over",
  }[state];
}
