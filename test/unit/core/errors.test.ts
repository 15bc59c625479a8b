import { describe, expect, it } from "vitest";

import { BaseError } from "../../../src/core/errors.ts";

describe("BaseError", () => {
  it("says what failed, what to do, and the facts in columns", () => {
    const error = new BaseError("The journal could not be written.", {
      remedy: "Free some space.",
      facts: { journal: "state/journal.sqlite", bytes: 10n, tries: 3, left: undefined, full: true },
    });
    expect(error.message).toMatchInlineSnapshot(`
      "The journal could not be written.
      Free some space.
        journal: state/journal.sqlite
        bytes:   10
        tries:   3
        full:    true"
    `);
    expect(error.facts).toEqual({ journal: "state/journal.sqlite", bytes: "10", tries: "3", full: "true" });
  });

  it("is one sentence when it has nothing more to say, and is not to be repeated unless it says so", () => {
    const error = new BaseError("It failed.");
    expect([error.message, error.retry, error.remedy, error.cause]).toEqual([
      "It failed.",
      "never",
      undefined,
      undefined,
    ]);
    expect("cause" in error).toBe(false);
    expect(new BaseError("It failed.", { retry: "safe" }).retry).toBe("safe");
  });

  it("walks its causes from the outside in, itself first", () => {
    const root = new TypeError("root");
    const middle = new Error("middle", { cause: root });
    const outer = new BaseError("outer", { cause: middle });
    expect(outer.walk(() => true)).toBe(outer);
    expect(outer.walk((error) => error instanceof TypeError)).toBe(root);
    expect(outer.walk((error) => error === "nothing")).toBeUndefined();
    expect(new BaseError("outer", { cause: "a string" }).walk((error) => error === "a string")).toBe(
      "a string",
    );
  });

  it("walks causes that lead in a circle only so far", () => {
    const error = new Error("circle");
    error.cause = error;
    let looked = 0;
    expect(new BaseError("outer", { cause: error }).walk(() => ++looked < 0)).toBeUndefined();
    expect(looked).toBeLessThan(100);
  });
});
