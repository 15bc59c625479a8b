import { describe, expect, it } from "vitest";

import { readAnswer } from "../../../src/delegation/readAnswer.ts";

const hex = (bytes: number): string => `0x${"Ab".repeat(bytes)}`;
const read = (method: string, value: unknown) => readAnswer(method, JSON.stringify(value));

describe("an answer of a wallet", () => {
  it.each([64, 65, 1000, 65_536])("is a signature of %i bytes, in lower case", (bytes) => {
    for (const method of ["personal_sign", "eth_signTypedData_v4"])
      expect(read(method, hex(bytes))).toEqual({ outcome: "approved", answer: hex(bytes).toLowerCase() });
  });

  it.each([
    ["shorter than any signature", hex(63)],
    ["longer than is let through", hex(65_537)],
    ["half a byte", `${hex(65)}a`],
    ["nothing", "0x"],
    ["no hexadecimal", `0x${"zz".repeat(65)}`],
    ["without 0x", "ab".repeat(65)],
    ["with an end of line", `${hex(65)}\n`],
    ["a number", 7],
    ["nothing at all", null],
    ["an object", { signature: hex(65) }],
    ["a list", [hex(65)]],
  ])("that is %s is hostile", (_, value) => {
    expect(read("eth_signTypedData_v4", value).outcome).toBe("hostile");
  });

  it("is a transaction's hash where one was sent", () => {
    expect(read("eth_sendTransaction", hex(32))).toEqual({
      outcome: "approved",
      answer: hex(32).toLowerCase(),
    });
    for (const other of [hex(31), hex(33), hex(65), 1])
      expect(read("eth_sendTransaction", other).outcome).toBe("hostile");
  });

  it("is any JSON that has a digest for any other method", () => {
    const value = { context: "0x12", list: [1, null, true, "x"] };
    expect(read("wallet_requestExecutionPermissions", value)).toEqual({ outcome: "approved", answer: value });
    expect(read("wallet_getCapabilities", { gas: 0.5 }).outcome).toBe("hostile");
    expect(read("wallet_getCapabilities", { name: "\ud800" }).outcome).toBe("hostile");
  });

  it("is hostile where it is nested deeper than a stack holds", () => {
    const nested = (depth: number) =>
      readAnswer("wallet_getCapabilities", "[".repeat(depth) + "]".repeat(depth));
    expect(nested(20_000).outcome).toBe("hostile");
    expect(nested(40).outcome).toBe("approved");
  });

  it("that was too long to be handed over is hostile", () => {
    expect(readAnswer("personal_sign", null)).toEqual({ outcome: "hostile", why: "the answer is too long" });
  });
});
