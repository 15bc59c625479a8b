import { isUnderpriced } from "../../chain/bundler/underpriced.ts";
import { BundlerError, ChainRefusalError } from "../../chain/errors.ts";
import { operationOf, setOperationState } from "../../journal/operations.ts";
import type { Step } from "../house.ts";

/**
 * Step 6, second half. The stored bytes go to the bundler. Whatever it answers is a hint: even a refusal may mean that
 * the operation is on the chain already (AA25), so `settle` asks the chain in every case.
 */
export const send: Step = {
  when: "later",
  turn: "first",
  async run({ decision, house }) {
    const operation = operationOf(house.journal, decision)!;
    const { answer, underpriced } = await house.bundler.send(operation.userOp).then(
      () => ({ answer: "accepted", underpriced: false }),
      (error: unknown) => {
        if (error instanceof ChainRefusalError || error instanceof BundlerError)
          return { answer: error.shortMessage, underpriced: isUnderpriced(error) };
        throw error;
      },
    );
    return {
      value: underpriced ? { answer, underpriced } : { answer },
      entry: {
        kind: "sent",
        body: { userOpHash: operation.userOpHash, bundler: house.bundler.name, answer },
      },
      rows: () => setOperationState(house.journal, operation.userOpHash, "sent"),
    };
  },
};
