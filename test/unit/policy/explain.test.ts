import { zeroAddress } from "viem";
import { expect, it } from "vitest";

import { compilePolicy, type CompiledPolicy } from "../../../src/policy/compile.ts";
import { explainPolicy } from "../../../src/policy/explain.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { compiled, editedEverything, everything, shipped } from "./documents.ts";

const words = (policy: CompiledPolicy) => explainPolicy(policy).map((sentence) => sentence.words);
const explained = (name: string) => words(compilePolicy(parsePolicy(shipped(name)), zeroAddress));
const addUp =
  "Grants that are live at the same time add up: a policy that was neither revoked nor replaced adds its own figures. A revoked one has spent what it spent: a new policy, or the same with another salt, begins at zero.";
const refused =
  "Everything else is refused by the chain, and so is any operation without a decision commitment.";
const advisory =
  "Advisory (enforced by the runtime, not by the chain): a bill from an unauthenticated sender is asked about; one bill is never paid twice.";

it("says in sentences what the chain enforces, and what is only advice", () => {
  expect(words(compiled())).toEqual([
    "The agent 0x5fA59300b772D54451e6921c4a0db8FD3dDAD8cE may pay at most 42.50 USDC at a time, 250.00 USDC in any 24 hours, 5000.00 USDC in all; USDC is the token at 0x77D93908Ca1cb75f3Fb71270b066baA9a1075191, 6 decimals. Amounts are counted in steps of 0.01 USDC, rounded up.",
    "It may spend at most 0.002 ETH on gas per operation and 0.05 ETH in all.",
    "It may do so until 2030-03-17T17:46:40.000Z.",
    "It may pay only: acme (0x06C86c00982B50789830b3b6bfA5A985729f55D8), northwind (0x130286312BA5E7d805330ADFe0059451484a17B5).",
    refused,
    "The most that can be lost: 5000.00 USDC in all (250.00 USDC in any 24 hours); 0.05 ETH of gas.",
    addUp,
    advisory,
    "Advisory: a bill for acme that does not come from acme.example is asked about.",
  ]);
});

it("calls advisory what the chain does not enforce, and nothing else", () => {
  for (const { enforcedBy, words: said } of explainPolicy(compiled()))
    expect(enforcedBy).toBe(said.startsWith("Advisory") ? "advisory" : "chain");
});

it("explains a subscription: escalation, counts, heartbeat, guardian", () => {
  expect(explained("subscription")).toEqual([
    "The agent may pay at most 15.00 USDC at a time, 30.00 USDC in any 28 days, 360.00 USDC in all; USDC is the token at 0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913, 6 decimals. Amounts are counted in steps of 0.001 USDC, rounded up.",
    "With the co-signature of any one of alice (0x3333333333333333333333333333333333333333) it may pay up to 25.00 USDC at a time; window and lifetime hold all the same.",
    "It may send at most 2 operations that move or call anything in any 28 days.",
    "It may send at most 24 operations that move or call anything in all.",
    "It may spend at most 0.0005 ETH on gas per operation and 0.01 ETH in all.",
    "It may do so until 2027-06-30T00:00:00.000Z.",
    "It stops 35 days after the owner's last heartbeat, until the next one.",
    "It may pay only: cloud-backup (0x1111111111111111111111111111111111111111), newsletter (0x2222222222222222222222222222222222222222).",
    "Once the owner has named them on the account, any of alice (0x3333333333333333333333333333333333333333) may freeze it; only the owner unfreezes.",
    refused,
    "The most that can be lost: 360.00 USDC in all (30.00 USDC in any 28 days, 30.00 USDC in any 24 hours); 0.01 ETH of gas.",
    addUp,
    "Advisory (enforced by the runtime, not by the chain): a bill from an unauthenticated sender is refused; one bill is never paid twice.",
    "Advisory: a bill for cloud-backup that does not come from cloud-backup.example is asked about.",
    "Advisory: a bill for newsletter that does not come from newsletter.example is asked about.",
  ]);
});

it("explains a trader: what it may call, and what outlives the policy", () => {
  expect(explained("dca-trader")).toEqual([
    "The agent may pay at most 50.00 USDC at a time, 50.00 USDC in any 24 hours, 1500.00 USDC in all; USDC is the token at 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48, 6 decimals. Amounts are counted in steps of 0.001 USDC, rounded up.",
    "It may send at most 2 operations that move or call anything in any 24 hours.",
    "It may send at most 60 operations that move or call anything in all.",
    "It may also use approve of USDC, for its payees only; the amount counts as spent.",
    "It may call exactInputSingle of router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45) if params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48), params.tokenOut is WETH (0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2), params.fee is one of 500, 3000, params.recipient is the account itself, params.amountIn is at most 50.00 USDC; the call itself counts no USDC.",
    "It may spend at most 0.01 ETH on gas per operation and 0.3 ETH in all.",
    "It may do so until 2027-03-31T00:00:00.000Z.",
    "It may pay, or approve, only: router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45).",
    "router is a contract: what becomes of money paid to it is its code's to say.",
    "Once the owner has named them on the account, any of night-desk (0x4444444444444444444444444444444444444444) may freeze it; only the owner unfreezes.",
    "Once the owner has set it on the account, all its agents together may spend at most 200.00 USDC in any 24 hours.",
    refused,
    "The most that can be lost: 1500.00 USDC in all (1500.00 USDC in any 24 hours); 0.3 ETH of gas.",
    addUp,
    "An allowance outlives the policy: a spender may take what was approved after revocation, freeze and expiry, until the owner sets the allowance to zero.",
    "Parameters have the names that this document gives them: compare its declarations with the contracts' own.",
    "Of exactInputSingle of router nothing is counted: what it does with an older allowance, a deposit, a position, or, if it is a token, with the whole balance that the account has there is not in these figures.",
    "The caps over all agents of the account are not taken off these figures: the owner may lift them.",
    advisory,
  ]);
});

it("explains an agent that only watches, and one that tops up a purse", () => {
  expect(explained("watch-only")).toEqual([
    "The agent may pay nothing: it watches, decides and logs.",
    "It may spend at most 0.0005 ETH on gas per operation and 0.02 ETH in all.",
    "It may do so until 2027-06-30T00:00:00.000Z.",
    refused,
    "The most that can be lost: 0.02 ETH of gas.",
    addUp,
    advisory,
  ]);
  expect(explained("purse-top-up")).toEqual([
    "The agent may pay at most 5.00 USDC at a time, 10.00 USDC in any 12 hours, 300.00 USDC in all; USDC is the token at 0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913, 6 decimals. Amounts are counted in steps of 0.001 USDC, rounded up.",
    "It may send at most 100 operations that move or call anything in all.",
    "It may spend at most 0.0005 ETH on gas per operation and 0.01 ETH in all.",
    "It may do so until 2027-01-31T00:00:00.000Z.",
    "It may pay only: purse (0x5555555555555555555555555555555555555555).",
    "purse is a plain key of the agent: a top-up counts as spent, and nothing limits what the agent does with it.",
    refused,
    "The most that can be lost: 300.00 USDC in all (10.00 USDC in any 12 hours, 20.00 USDC in any 24 hours); 0.01 ETH of gas.",
    addUp,
    advisory,
  ]);
});

it("says what several limits, a sponsor and free arguments mean", () => {
  const said = words(compilePolicy(parsePolicy(editedEverything()), zeroAddress));
  expect(said).toContain(
    "The agent may pay at most 0.1 ETH at a time, 0.2 ETH in any 6 hours, 2 ETH in all; ETH is the native coin. Amounts are counted in steps of 0.00001 ETH, rounded up.",
  );
  // One of the two limits lasts longer than the policy, and that is enough.
  expect(said).toContain(
    "It may pay, or approve, only: router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45), purse (0x5555555555555555555555555555555555555555).",
  );
  expect(said).toContain(
    "It may spend at most 0.002 ETH on gas per operation and 0.05 ETH for each of its 2 limits.",
  );
  expect(said).toContain(
    "The paymaster 0x8888888888888888888888888888888888888888 may sponsor its operations; those touch neither of the two.",
  );
  expect(said).toContain(
    "It may call deposit of vault (0x7777777777777777777777777777777777777777) if receiver is the account itself; assets and the coin sent along count as spent ETH.",
  );
});

it.each([
  ["counts: ETH, spends: assets", "; assets and the coin sent along count as spent ETH."],
  ["counts: ETH", "; the coin sent along counts as spent ETH."],
  ["counts: USDC, spends: assets", "; assets counts as spent USDC."],
  ["counts: USDC", "; the call itself counts no USDC."],
])("says what a call with any arguments is counted as: %s", (counts, expected) => {
  const text = editedEverything(["counts: ETH, spends: assets, where: { receiver: { self: true } }", counts]);
  expect(words(compilePolicy(parsePolicy(text), zeroAddress))).toContain(
    `It may call deposit of vault (0x7777777777777777777777777777777777777777) with any arguments${expected}`,
  );
});

it("says that nobody may be paid where only calls are allowed", () => {
  const payees = everything.slice(everything.indexOf("payees:"), everything.indexOf("limits:"));
  const text = editedEverything([
    payees,
    'payees: {}\ncontracts:\n  vault: { address: "0x7777777777777777777777777777777777777777" }\n  router: { address: "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45" }\n',
  ]);
  const said = words(compilePolicy(parsePolicy(text), zeroAddress));
  expect(said.filter((sentence) => sentence.startsWith("It may pay"))).toEqual(["It may pay nobody."]);
});

it.each([
  ["30m", "in any 30 minutes"],
  ["90m", "in any 90 minutes"],
  ["2h", "in any 2 hours"],
  ["24h", "in any 24 hours"],
  ["1d", "in any 24 hours"],
  ["7d", "in any 7 days"],
])("says a window of %s as people do", (window, expected) => {
  expect(words(compiled(["24h", window]))[0]).toContain(expected);
});

it.each([
  ["ask", "is asked about"],
  ["deny", "is refused"],
  ["allow", "may be paid"],
])("says what mail: %s means", (choice, expected) => {
  const lines = words(compiled(["salt: 7", `salt: 7\nmail: { unauthenticated: ${choice} }`]));
  expect(lines.find((line) => line.startsWith("Advisory"))).toContain(expected);
});
