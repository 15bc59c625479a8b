import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parseAction } from "../../../src/core/action.ts";

const transfer = { action: "transfer", to: "acme", amount: "42.50", token: "USDC", reference: "INV-1" };
const unparsable = { action: "hold", reason: "unparsable" };

describe("parseAction", () => {
  it("takes a transfer and every hold a model may propose", () => {
    expect(parseAction(JSON.stringify(transfer))).toEqual(transfer);
    expect(parseAction(` ${JSON.stringify({ ...transfer, reference: "" })}\n`)).toMatchObject({
      reference: "",
    });
    for (const reason of ["not-a-bill", "unknown-payee", "unclear"])
      expect(parseAction(JSON.stringify({ action: "hold", reason }))).toEqual({ action: "hold", reason });
  });

  it.each<readonly [string, string]>([
    ["nothing", ""],
    ["half a character, which no record can hold", JSON.stringify({ ...transfer, reference: "\ud800" })],
    ["prose", "I would pay acme 42.50 USDC."],
    ["prose before it", `Here: ${JSON.stringify(transfer)}`],
    ["prose after it", `${JSON.stringify(transfer)} Done.`],
    ["a code fence around it", `\`\`\`json\n${JSON.stringify(transfer)}\n\`\`\``],
    ["two actions", JSON.stringify(transfer).repeat(2)],
    ["an array", JSON.stringify([transfer])],
    ["null", "null"],
    ["a string", JSON.stringify(JSON.stringify(transfer))],
    ["an extra key", JSON.stringify({ ...transfer, note: "please" })],
    ["an address beside the name", JSON.stringify({ ...transfer, address: `0x${"1".repeat(40)}` })],
    ["a prototype key", `${JSON.stringify(transfer).slice(0, -1)},"__proto__":{"amount":"1"}}`],
    ["a constructor key", `${JSON.stringify(transfer).slice(0, -1)},"constructor":{}}`],
    ["fields on the prototype only", `{"action":"transfer","__proto__":${JSON.stringify(transfer)}}`],
    ["a missing key", JSON.stringify({ ...transfer, token: undefined })],
    ["an unknown action", JSON.stringify({ ...transfer, action: "approve" })],
    ["a hold of its own making", JSON.stringify({ action: "hold", reason: "because" })],
    ["a hold that only code may say", JSON.stringify(unparsable)],
    ["a hold with an amount", JSON.stringify({ ...transfer, action: "hold", reason: "unclear" })],
    ["an amount as a number", JSON.stringify({ ...transfer, amount: 42.5 })],
    ["an exponent", JSON.stringify({ ...transfer, amount: "1e3" })],
    ["a minus", JSON.stringify({ ...transfer, amount: "-1" })],
    ["a separator", JSON.stringify({ ...transfer, amount: "1,000.00" })],
    ["a unit in the amount", JSON.stringify({ ...transfer, amount: "42.50 USDC" })],
    ["a line end after the amount", JSON.stringify({ ...transfer, amount: "42.50\n" })],
    ["too many digits", JSON.stringify({ ...transfer, amount: "1".repeat(19) })],
    ["too many decimals", JSON.stringify({ ...transfer, amount: `1.${"1".repeat(19)}` })],
    ["an empty payee", JSON.stringify({ ...transfer, to: "" })],
    ["a list of payees", JSON.stringify({ ...transfer, to: ["acme"] })],
    ["a payee of 65 characters", JSON.stringify({ ...transfer, to: "a".repeat(65) })],
    ["a reference of 65 characters", JSON.stringify({ ...transfer, reference: "a".repeat(65) })],
  ])("holds %s as unparsable", (_, text) => {
    expect(parseAction(text)).toEqual(unparsable);
  });

  it("never throws, whatever the model writes, and freezes what it returns", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
        const action = parseAction(text);
        expect(Object.isFrozen(action)).toBe(true);
        expect(action).toEqual(unparsable);
      }),
    );
  });
});
