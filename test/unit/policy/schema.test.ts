import { expect, it } from "vitest";

import { parsePolicy } from "../../../src/policy/parse.ts";
import { editedEverything } from "./documents.ts";

const withFee = (condition: string) => () =>
  parsePolicy(editedEverything(["{ in: [500, 3000] }", condition]));

it.each([
  "{ equals: 500 }",
  "{ in: [500] }",
  "{ atMost: 500 }",
  "{ atLeast: 500 }",
  "{ atMost: 500, atLeast: 100 }",
])("takes %s for a condition", (condition) => {
  expect(withFee(condition)).not.toThrow();
});

// One of the two would hold and the other be dropped without a word.
it.each([
  "{}",
  "{ equals: 500, in: [500] }",
  "{ equals: 500, atMost: 500 }",
  "{ equals: 500, atLeast: 500 }",
  "{ in: [500], atLeast: 100 }",
  "{ in: [500], atMost: 500, atLeast: 100 }",
  "{ equals: 500, atMost: 500, atLeast: 100 }",
])("takes %s for no condition", (condition) => {
  expect(withFee(condition)).toThrow(
    "calls.0.where.params.fee: has to be one of equals, in, self, or a range of atMost and atLeast",
  );
});
