import { encodeFunctionData, toFunctionSelector, type Address, type Hex } from "viem";

import type { AllowanceSource } from "../core/delegation.ts";
import type { Call } from "../core/operation.ts";
import { spendGrantArgument, type SpendGrant } from "../policy/spendGrant.ts";
import { spendGrantAbi } from "./abi/spendGrant.ts";

/** Selector of `spend` of ISpendGrant. */
export const spendSelector: Hex = toFunctionSelector(
  spendGrantAbi.find((item) => item.type === "function" && item.name === "spend")!,
);

/** Place of a source in the contract's `Source`. */
export const sourceNumber = (source: AllowanceSource): number => (source === "token" ? 0 : 1);

/**
 * Pays out of a grant's account: a call that an AgentAccount makes in a batch.
 *
 * @param contract the SpendGrant contract
 * @param amountUnits base units of the grant's token
 */
export const grantSpendCall = (
  contract: Address,
  grant: SpendGrant,
  payee: Address,
  amountUnits: bigint,
  source: AllowanceSource,
): Call => ({
  to: contract,
  valueWei: 0n,
  data: encodeFunctionData({
    abi: spendGrantAbi,
    functionName: "spend",
    args: [spendGrantArgument(grant), payee, amountUnits, sourceNumber(source)],
  }),
});

/** Does a call spend under a grant? The account tells the contract whose operation it is only while it executes a batch. */
export const isGrantSpend = ({ data }: Pick<Call, "data">): boolean => data.startsWith(spendSelector);
