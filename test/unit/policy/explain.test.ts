import { expect, it } from "vitest";

import { explainPolicy } from "../../../src/policy/explain.ts";
import { compiled } from "./documents.ts";

it("says in sentences what the chain enforces, and what is only advice", () => {
  expect(explainPolicy(compiled()).join("\n")).toMatchInlineSnapshot(`
    "The agent 0x5fA59300b772D54451e6921c4a0db8FD3dDAD8cE may pay at most 42.50 USDC at a time, 250.00 USDC in any 24 hours, 5000.00 USDC in all.
    It may spend at most 0.002 ETH on gas per operation and 0.05 ETH in all.
    It may do so until 2030-03-17T17:46:40.000Z. Amounts are counted in steps of 0.01 USDC, rounded up.
    It may pay only: acme (0x06C86c00982B50789830b3b6bfA5A985729f55D8), northwind (0x130286312BA5E7d805330ADFe0059451484a17B5).
    Everything else is refused by the chain, and so is any operation without a decision commitment.
    Advisory (enforced by the runtime, not by the chain): a bill from an unauthenticated sender is asked about; one bill is never paid twice."
  `);
});

it.each([
  ["30m", "in any 30 minutes"],
  ["90m", "in any 90 minutes"],
  ["2h", "in any 2 hours"],
  ["24h", "in any 24 hours"],
  ["1d", "in any 24 hours"],
  ["7d", "in any 7 days"],
])("says a window of %s as people do", (window, words) => {
  expect(explainPolicy(compiled(["24h", window]))[0]).toContain(words);
});

it.each([
  ["ask", "is asked about"],
  ["deny", "is refused"],
  ["allow", "may be paid"],
])("says what mail: %s means", (choice, words) => {
  const lines = explainPolicy(compiled(["salt: 7", `salt: 7\nmail: { unauthenticated: ${choice} }`]));
  expect(lines.at(-1)).toContain(words);
});
