import { expect, it } from "vitest";

import { diffPolicies } from "../../../src/policy/diff.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { editedEverything, everything, shipped } from "./documents.ts";

type Edits = readonly (readonly [string, string])[];
const told = (before: string, after: string) =>
  diffPolicies(parsePolicy(before), parsePolicy(after)).map(
    ({ clause, effect, words }) => `${effect} ${clause}: ${words}`,
  );
/** There, and back. */
const both = (...edits: Edits) => {
  const after = editedEverything(...edits);
  return [...told(everything, after), ...told(after, everything)];
};
const nine = `0x${"9".repeat(40)}`;

it("says in words what becomes of names, chain and payees", () => {
  expect(both(["policy: everything", "policy: all\nsalt: 3"], ["chain: 1", "chain: 8453"]))
    .toMatchInlineSnapshot(`
    [
      "neutral policy: The name everything becomes all.",
      "narrows chain: Nothing holds on chain 1 any more.",
      "widens chain: All of it holds on chain 8453.",
      "neutral salt: The salt 0 becomes 3. Replace the old grants, or both count for themselves and add up.",
      "neutral policy: The name all becomes everything.",
      "narrows chain: Nothing holds on chain 8453 any more.",
      "widens chain: All of it holds on chain 1.",
      "neutral salt: The salt 3 becomes 0. Replace the old grants, or both count for themselves and add up.",
    ]
  `);
  expect(both(["  purse: {", "  wallet: {"], [", purse: true", ""])).toMatchInlineSnapshot(`
    [
      "neutral payees.wallet: The payee purse is called wallet; the address is the same.",
      "neutral payees.wallet: wallet is no longer declared a purse of the agent.",
      "neutral payees.purse: The payee wallet is called purse; the address is the same.",
      "neutral payees.purse: purse is declared a purse of the agent.",
    ]
  `);
  expect(both(["  purse: {", `  dave: { address: "${nine}" }\n  purse: {`])).toMatchInlineSnapshot(`
    [
      "widens payees.dave: dave (0x9999999999999999999999999999999999999999) may be paid.",
      "narrows payees.dave: dave (0x9999999999999999999999999999999999999999) may no longer be paid.",
    ]
  `);
  expect(both(["purse: true", "contract: true, senders: [a.example], names: [Pocket money]"]))
    .toMatchInlineSnapshot(`
    [
      "neutral payees.purse: purse is no longer declared a purse of the agent.",
      "neutral payees.purse: purse is declared a contract.",
      "widens payees.purse.senders: Advisory: a.example may send bills for purse without a question.",
      "widens payees.purse.names: Advisory: Pocket money stands for purse in messages.",
      "neutral payees.purse: purse is declared a purse of the agent.",
      "neutral payees.purse: purse is no longer declared a contract.",
      "narrows payees.purse.senders: Advisory: a.example no longer may send bills for purse without a question.",
      "narrows payees.purse.names: Advisory: Pocket money no longer stands for purse in messages.",
    ]
  `);
});

it("says in words what becomes of a limit", () => {
  expect(
    both(
      ["50 USDC\n    perWindow", "40 USDC\n    perWindow"],
      ["60 USDC", "61 USDC"],
      ["24h", "12h"],
      ["1500 USDC", "1501 USDC"],
      ["[approve, permit]", "[approve, transferFrom]"],
      ["perWindow: 3, lifetime: 60", "perWindow: 4"],
      ["55 USDC", "56 USDC"],
    ),
  ).toMatchInlineSnapshot(`
    [
      "narrows limits.USDC.perPayment: USDC at a time: 50.00 USDC becomes 40.00 USDC.",
      "widens limits.USDC.perWindow: USDC in a window: 60.00 USDC becomes 61.00 USDC.",
      "widens limits.USDC.window: The window of USDC: 24 hours becomes 12 hours.",
      "widens limits.USDC.lifetime: USDC in all: 1500.00 USDC becomes 1501.00 USDC.",
      "narrows limits.USDC.functions: permit of USDC is no longer allowed.",
      "widens limits.USDC.functions: transferFrom of USDC is allowed.",
      "widens limits.USDC.operations.perWindow: Operations in USDC in a window: 3 becomes 4.",
      "widens limits.USDC.operations.lifetime: Operations in USDC in all: 60 becomes no limit.",
      "widens limits.USDC.escalation.upTo: USDC at a time with an approver: 55.00 USDC becomes 56.00 USDC.",
      "widens limits.USDC.perPayment: USDC at a time: 40.00 USDC becomes 50.00 USDC.",
      "narrows limits.USDC.perWindow: USDC in a window: 61.00 USDC becomes 60.00 USDC.",
      "narrows limits.USDC.window: The window of USDC: 12 hours becomes 24 hours.",
      "narrows limits.USDC.lifetime: USDC in all: 1501.00 USDC becomes 1500.00 USDC.",
      "narrows limits.USDC.functions: transferFrom of USDC is no longer allowed.",
      "widens limits.USDC.functions: permit of USDC is allowed.",
      "narrows limits.USDC.operations.perWindow: Operations in USDC in a window: 4 becomes 3.",
      "narrows limits.USDC.operations.lifetime: Operations in USDC in all: no limit becomes 60.",
      "narrows limits.USDC.escalation.upTo: USDC at a time with an approver: 56.00 USDC becomes 55.00 USDC.",
    ]
  `);
  expect(
    both(
      ["    escalation: { upTo: 55 USDC }\n", ""],
      ["    operations: { perWindow: 3, lifetime: 60 }\n", ""],
    ),
  ).toMatchInlineSnapshot(`
    [
      "widens limits.USDC.operations.perWindow: Operations in USDC in a window: 3 becomes no limit.",
      "widens limits.USDC.operations.lifetime: Operations in USDC in all: 60 becomes no limit.",
      "narrows limits.USDC.escalation.upTo: USDC at a time with an approver: 55.00 USDC becomes none.",
      "narrows limits.USDC.operations.perWindow: Operations in USDC in a window: no limit becomes 3.",
      "narrows limits.USDC.operations.lifetime: Operations in USDC in all: no limit becomes 60.",
      "widens limits.USDC.escalation.upTo: USDC at a time with an approver: none becomes 55.00 USDC.",
    ]
  `);
  expect(both(["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", nine], ["decimals: 6", "decimals: 8"]))
    .toMatchInlineSnapshot(`
    [
      "narrows tokens.USDC: The token at 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 may no longer be paid.",
      "widens tokens.USDC: The token at 0x9999999999999999999999999999999999999999 may be paid.",
      "widens tokens.USDC.decimals: Decimals of USDC, by which every amount is multiplied: 6 becomes 8.",
      "widens calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)" becomes "params.tokenIn is USDC (0x9999999999999999999999999999999999999999)".",
      "narrows calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)" becomes "params.tokenIn is USDC (0x9999999999999999999999999999999999999999)".",
      "widens calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 1 USDC and at most 50 USDC" becomes "params.amountIn is at least 1 USDC and at most 50 USDC".",
      "narrows calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 1 USDC and at most 50 USDC" becomes "params.amountIn is at least 1 USDC and at most 50 USDC".",
      "narrows tokens.USDC: The token at 0x9999999999999999999999999999999999999999 may no longer be paid.",
      "widens tokens.USDC: The token at 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 may be paid.",
      "narrows tokens.USDC.decimals: Decimals of USDC, by which every amount is multiplied: 8 becomes 6.",
      "widens calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is USDC (0x9999999999999999999999999999999999999999)" becomes "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)".",
      "narrows calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is USDC (0x9999999999999999999999999999999999999999)" becomes "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)".",
      "widens calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 1 USDC and at most 50 USDC" becomes "params.amountIn is at least 1 USDC and at most 50 USDC".",
      "narrows calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 1 USDC and at most 50 USDC" becomes "params.amountIn is at least 1 USDC and at most 50 USDC".",
    ]
  `);
});

it("says in words what becomes of calls", () => {
  expect(
    both(
      ["{ equals: USDC }", "{ in: [USDC, WETH] }"],
      ["[500, 3000]", "[500, 100]"],
      ["      params.recipient: { self: true }\n", ""],
      ["atLeast: 1 USDC", "atLeast: 0.5 USDC"],
      ["spends: assets, ", ""],
    ),
  ).toMatchInlineSnapshot(`
    [
      "widens calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)" becomes "params.tokenIn is one of USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48), WETH (0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2)".",
      "widens calls.USDC.router.exactInputSingle.where.params.fee: exactInputSingle of router: "params.fee is one of 500, 3000" becomes "params.fee is one of 500, 100".",
      "narrows calls.USDC.router.exactInputSingle.where.params.fee: exactInputSingle of router: "params.fee is one of 500, 3000" becomes "params.fee is one of 500, 100".",
      "widens calls.USDC.router.exactInputSingle.where.params.recipient: exactInputSingle of router: no longer asked: params.recipient is the account itself.",
      "widens calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 1 USDC and at most 50 USDC" becomes "params.amountIn is at least 0.5 USDC and at most 50 USDC".",
      "widens calls.ETH.vault.deposit: deposit of vault: assets no longer counts as spent.",
      "narrows calls.USDC.router.exactInputSingle.where.params.tokenIn: exactInputSingle of router: "params.tokenIn is one of USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48), WETH (0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2)" becomes "params.tokenIn is USDC (0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48)".",
      "widens calls.USDC.router.exactInputSingle.where.params.fee: exactInputSingle of router: "params.fee is one of 500, 100" becomes "params.fee is one of 500, 3000".",
      "narrows calls.USDC.router.exactInputSingle.where.params.fee: exactInputSingle of router: "params.fee is one of 500, 100" becomes "params.fee is one of 500, 3000".",
      "narrows calls.USDC.router.exactInputSingle.where.params.amountIn: exactInputSingle of router: "params.amountIn is at least 0.5 USDC and at most 50 USDC" becomes "params.amountIn is at least 1 USDC and at most 50 USDC".",
      "narrows calls.USDC.router.exactInputSingle.where.params.recipient: exactInputSingle of router: new condition: params.recipient is the account itself.",
      "narrows calls.ETH.vault.deposit: deposit of vault: assets counts as spent.",
    ]
  `);
  expect(
    both(
      ["spends: assets, where: { receiver: { self: true } }", "spends: assets"],
      ["7".repeat(40), "6".repeat(40)],
    ),
  ).toMatchInlineSnapshot(`
    [
      "narrows calls.ETH.vault.deposit: deposit of vault may no longer be called in this way.",
      "widens calls.ETH.vault.deposit: deposit of vault may be called with any arguments.",
      "narrows calls.ETH.vault.deposit: deposit of vault may no longer be called in this way.",
      "widens calls.ETH.vault.deposit: deposit of vault may be called if receiver is the account itself.",
    ]
  `);
  expect(both(["where: { receiver: { self: true } }", "where: { receiver: { equals: router } }"]))
    .toMatchInlineSnapshot(`
    [
      "widens calls.ETH.vault.deposit.where.receiver: deposit of vault: "receiver is the account itself" becomes "receiver is router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45)".",
      "narrows calls.ETH.vault.deposit.where.receiver: deposit of vault: "receiver is the account itself" becomes "receiver is router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45)".",
      "widens calls.ETH.vault.deposit.where.receiver: deposit of vault: "receiver is router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45)" becomes "receiver is the account itself".",
      "narrows calls.ETH.vault.deposit.where.receiver: deposit of vault: "receiver is router (0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45)" becomes "receiver is the account itself".",
    ]
  `);
});

it("says in words what becomes of what all limits share, and of the owner's settings", () => {
  expect(
    both(
      ["0.05 ETH", "0.06 ETH"],
      ["0.002 ETH", "0.003 ETH"],
      ["17:46:40Z", "17:46:41Z\nmail: { unauthenticated: deny }"],
      ["heartbeat: 30d\n", ""],
      ["8".repeat(40), "9".repeat(40)],
      ["  alice:", `  carol: { address: "${nine}" }\n  alicia:`],
      ["  bob:", `  carl: { address: "${nine}" }\n  rob:`],
      ["200 USDC, window: 12h", "201 USDC, window: 6h"],
    ),
  ).toMatchInlineSnapshot(`
    [
      "neutral approvers.alicia: alice is called alicia; the address is the same.",
      "widens approvers.carol: carol (0x9999999999999999999999999999999999999999) may co-sign.",
      "widens gas.budget: Gas in all: 0.05 ETH becomes 0.06 ETH.",
      "widens gas.perOperation: Gas of one operation: 0.002 ETH becomes 0.003 ETH.",
      "widens expires: The expiry: 2030-03-17T17:46:40.000Z becomes 2030-03-17T17:46:41.000Z.",
      "widens heartbeat: The time the agent may act after the owner's heartbeat: 30 days becomes no limit.",
      "narrows paymaster: 0x8888888888888888888888888888888888888888 may no longer sponsor operations.",
      "widens paymaster: 0x9999999999999999999999999999999999999999 may sponsor operations, beyond the gas budget and the fee cap.",
      "neutral guardians.rob: bob is called rob; the address is the same.",
      "narrows guardians.carl: carl (0x9999999999999999999999999999999999999999) may freeze the account.",
      "widens accountCaps.USDC.perWindow: USDC of all agents together in a window: 200.00 USDC becomes 201.00 USDC.",
      "widens accountCaps.USDC.window: The window of USDC of all agents together: 12 hours becomes 6 hours.",
      "narrows mail.unauthenticated: Advisory: a bill from an unauthenticated sender: ask becomes deny.",
      "narrows approvers.carol: carol (0x9999999999999999999999999999999999999999) may no longer co-sign.",
      "neutral approvers.alice: alicia is called alice; the address is the same.",
      "narrows gas.budget: Gas in all: 0.06 ETH becomes 0.05 ETH.",
      "narrows gas.perOperation: Gas of one operation: 0.003 ETH becomes 0.002 ETH.",
      "narrows expires: The expiry: 2030-03-17T17:46:41.000Z becomes 2030-03-17T17:46:40.000Z.",
      "narrows heartbeat: The time the agent may act after the owner's heartbeat: no limit becomes 30 days.",
      "narrows paymaster: 0x9999999999999999999999999999999999999999 may no longer sponsor operations.",
      "widens paymaster: 0x8888888888888888888888888888888888888888 may sponsor operations, beyond the gas budget and the fee cap.",
      "widens guardians.carl: carl (0x9999999999999999999999999999999999999999) may no longer freeze the account.",
      "neutral guardians.bob: rob is called bob; the address is the same.",
      "narrows accountCaps.USDC.perWindow: USDC of all agents together in a window: 201.00 USDC becomes 200.00 USDC.",
      "narrows accountCaps.USDC.window: The window of USDC of all agents together: 6 hours becomes 12 hours.",
      "widens mail.unauthenticated: Advisory: a bill from an unauthenticated sender: deny becomes ask.",
    ]
  `);
  expect(
    both(
      [`paymaster: "0x${"8".repeat(40)}"\n`, ""],
      ["accountCaps:\n  - { perWindow: 200 USDC, window: 12h }\n", ""],
    ),
  ).toMatchInlineSnapshot(`
    [
      "narrows paymaster: 0x8888888888888888888888888888888888888888 may no longer sponsor operations.",
      "widens accountCaps.USDC.perWindow: USDC of all agents together in a window: 200.00 USDC becomes no limit.",
      "widens paymaster: 0x8888888888888888888888888888888888888888 may sponsor operations, beyond the gas budget and the fee cap.",
      "narrows accountCaps.USDC.perWindow: USDC of all agents together in a window: no limit becomes 200.00 USDC.",
    ]
  `);
  expect(both(["17:46:40Z", "17:46:40Z\nmail: { unauthenticated: allow }"])).toMatchInlineSnapshot(`
    [
      "widens mail.unauthenticated: Advisory: a bill from an unauthenticated sender: ask becomes allow.",
      "narrows mail.unauthenticated: Advisory: a bill from an unauthenticated sender: allow becomes ask.",
    ]
  `);
});

it("tells approvers as neutral where one of the two has no escalation", () => {
  const subscription = shipped("subscription");
  expect(told(subscription, shipped("treasury"))).toMatchInlineSnapshot(`
    [
      "neutral policy: The name subscription becomes treasury.",
      "narrows chain: Nothing holds on chain 8453 any more.",
      "widens chain: All of it holds on chain 31337.",
      "narrows payees.cloud-backup: cloud-backup (0x1111111111111111111111111111111111111111) may no longer be paid.",
      "narrows payees.newsletter: newsletter (0x2222222222222222222222222222222222222222) may no longer be paid.",
      "widens payees.acme-hosting: acme-hosting (0x00000000000000000000000000000000000AC3e1) may be paid.",
      "widens payees.northwind: northwind (0x0000000000000000000000000000000000e0Ffce) may be paid.",
      "widens payees.globex: globex (0x000000000000000000000000000000000061ab3C) may be paid.",
      "widens payees.harbor-coffee: harbor-coffee (0x000000000000000000000000000000000c0ffEE1) may be paid.",
      "widens payees.lindqvist: lindqvist (0x0000000000000000000000000000000000011D71) may be paid.",
      "widens payees.initech: initech (0x0000000000000000000000000000000001417eC4) may be paid.",
      "narrows tokens.USDC: The token at 0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913 may no longer be paid.",
      "widens tokens.USDC: The token at 0x0f4Dc3054a3Eb3e626e383A3f0b683Dd443bBc6C may be paid.",
      "widens limits.USDC.perPayment: USDC at a time: 15.00 USDC becomes 500.00 USDC.",
      "widens limits.USDC.perWindow: USDC in a window: 30.00 USDC becomes 1500.00 USDC.",
      "widens limits.USDC.window: The window of USDC: 28 days becomes 24 hours.",
      "widens limits.USDC.lifetime: USDC in all: 360.00 USDC becomes 20000.00 USDC.",
      "widens limits.USDC.operations.perWindow: Operations in USDC in a window: 2 becomes no limit.",
      "widens limits.USDC.operations.lifetime: Operations in USDC in all: 24 becomes no limit.",
      "narrows limits.USDC.escalation.upTo: USDC at a time with an approver: 25.00 USDC becomes none.",
      "neutral approvers.alice: alice (0x3333333333333333333333333333333333333333) may no longer co-sign.",
      "widens gas.budget: Gas in all: 0.01 ETH becomes 0.2 ETH.",
      "widens gas.perOperation: Gas of one operation: 0.0005 ETH becomes 0.005 ETH.",
      "widens expires: The expiry: 2027-06-30T00:00:00.000Z becomes 2036-12-31T00:00:00.000Z.",
      "widens heartbeat: The time the agent may act after the owner's heartbeat: 35 days becomes no limit.",
      "widens guardians.alice: alice (0x3333333333333333333333333333333333333333) may no longer freeze the account.",
      "widens mail.unauthenticated: Advisory: a bill from an unauthenticated sender: deny becomes ask.",
    ]
  `);
  expect(told(shipped("watch-only"), shipped("treasury"))).toMatchInlineSnapshot(`
    [
      "neutral policy: The name watch-only becomes treasury.",
      "narrows chain: Nothing holds on chain 8453 any more.",
      "widens chain: All of it holds on chain 31337.",
      "widens payees.acme-hosting: acme-hosting (0x00000000000000000000000000000000000AC3e1) may be paid.",
      "widens payees.northwind: northwind (0x0000000000000000000000000000000000e0Ffce) may be paid.",
      "widens payees.globex: globex (0x000000000000000000000000000000000061ab3C) may be paid.",
      "widens payees.harbor-coffee: harbor-coffee (0x000000000000000000000000000000000c0ffEE1) may be paid.",
      "widens payees.lindqvist: lindqvist (0x0000000000000000000000000000000000011D71) may be paid.",
      "widens payees.initech: initech (0x0000000000000000000000000000000001417eC4) may be paid.",
      "widens limits.USDC: USDC may be paid: up to 20000.00 USDC in all, with a gas budget of its own.",
      "widens gas.budget: Gas in all: 0.02 ETH becomes 0.2 ETH.",
      "widens gas.perOperation: Gas of one operation: 0.0005 ETH becomes 0.005 ETH.",
      "widens expires: The expiry: 2027-06-30T00:00:00.000Z becomes 2036-12-31T00:00:00.000Z.",
    ]
  `);
});
