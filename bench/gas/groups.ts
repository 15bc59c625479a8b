import { agentAccount } from "./agentAccount.ts";
import { decisionLog } from "./decisionLog.ts";
import { permission } from "./permission.ts";
import { simpleAccount } from "./simpleAccount.ts";
import type { Site } from "./site.ts";
import { spendGrant } from "./spendGrant.ts";
import { validator } from "./validator.ts";

/** Figures that are measured together. */
export type Group = {
  /** Names of `bench/gas/targets.ts`. */
  readonly names: readonly string[];
  /** Gas by name: one figure for every name, no other. */
  measure(site: Site): Promise<Readonly<Record<string, number>>>;
};

/** Everything that is measured. A figure of no group is told as not measured. */
export const groups: readonly Group[] = Object.freeze([
  simpleAccount,
  agentAccount,
  validator,
  spendGrant,
  permission,
  decisionLog,
]);
