import type { Operation } from "../../core/operation.ts";
import { isUnderpriced } from "../../chain/bundler/underpriced.ts";
import { BundlerError, ChainRefusalError } from "../../chain/errors.ts";
import { isCancelled } from "../../journal/cancels.ts";
import { operationOf, setOperationState } from "../../journal/operations.ts";
import { hasParted } from "../hasParted.ts";
import type { House, Step, StepResult } from "../house.ts";

/**
 * Step 6, second half. The stored bytes go to the bundler. Whatever it answers is a hint: even a refusal may mean that
 * the operation is on the chain already (AA25), so `settle` asks the chain in every case.
 */
export const send: Step = {
  when: "later",
  turn: "first",
  async run(context) {
    const { decision, house } = context;
    const operation = operationOf(house.journal, decision)!;
    await house.listen?.();
    if (isCancelled(house.journal, decision)) return sent(house, operation, notSent, false);
    if (hasParted(context)) return sent(house, operation, parted, false);
    const { answer, underpriced } = await house.bundler.send(operation.userOp).then(
      () => ({ answer: "accepted", underpriced: false }),
      (error: unknown) => {
        if (error instanceof ChainRefusalError || error instanceof BundlerError)
          return { answer: error.shortMessage, underpriced: isUnderpriced(error) };
        throw error;
      },
    );
    return sent(house, operation, answer, underpriced);
  },
};

const notSent = "The operator cancelled it before it was sent.";
const parted = "Whoever delegated parted before it was sent.";

const sent = (house: House, { userOpHash }: Operation, answer: string, underpriced: boolean): StepResult => ({
  value: underpriced ? { answer, underpriced } : { answer },
  entry: { kind: "sent", body: { userOpHash, bundler: house.bundler.name, answer } },
  // Lost in a power cut, the same bytes are sent again.
  sure: "soon",
  rows: () => setOperationState(house.journal, userOpHash, "sent"),
});
