import { describe, expect, it } from "vitest";

import { BaseError } from "../../../src/core/errors.ts";
import { collecting, mistake, type Attempt, type PolicyCompileError } from "../../../src/policy/mistakes.ts";

const met = (work: (attempt: Attempt) => unknown): unknown => {
  try {
    return collecting(work);
  } catch (error) {
    return error;
  }
};
const fail = (error: Error) => () => {
  throw error;
};

describe("collecting", () => {
  it("tells every mistake with its whole place, and what to do about the only one", () => {
    const one = met((attempt) =>
      attempt(["a"], fail(mistake("No.", "Say yes.", ["b", 1]))),
    ) as PolicyCompileError;
    expect(one.name).toBe("PolicyCompileError");
    expect([one.shortMessage, one.remedy]).toEqual(["No.", "Say yes."]);
    expect(one.mistakes).toEqual([{ path: ["a", "b", 1], words: "No.", remedy: "Say yes." }]);
    const two = met((attempt) => {
      attempt(["a"], fail(mistake("No.", "Say yes.")));
      attempt(["c"], fail(new BaseError("Neither.")));
    }) as PolicyCompileError;
    expect([two.shortMessage, two.remedy]).toEqual(["No.\nNeither.", "Mend each of them."]);
    expect(two.mistakes[1]).toEqual({ path: ["c"], words: "Neither.", remedy: "Correct it." });
  });

  it("tells what is wrong outside of all attempts as well", () => {
    const error = met(fail(mistake("No.", "Say yes.", ["b"]))) as PolicyCompileError;
    expect(error.mistakes).toEqual([{ path: ["b"], words: "No.", remedy: "Say yes." }]);
  });

  it("passes on what is no mistake of the document, and what was made", () => {
    const broken = new TypeError("a slip of ours");
    expect(met((attempt) => attempt(["a"], fail(broken)))).toBe(broken);
    expect(met((attempt) => attempt(["a"], () => 7))).toBe(7);
  });
});
