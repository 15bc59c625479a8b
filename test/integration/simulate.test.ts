import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, erc20Abi, parseAbi, parseEther, toHex, type Address } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { simulateCalls } from "../../src/chain/simulateCalls.ts";
import { encodeCalls } from "../../src/chain/signOperation.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import type { Call } from "../../src/core/operation.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import { replay } from "../../src/policy/replay.ts";
import { readJournalActions, simulateOperation } from "../../src/runtime/simulate.ts";
import { serveChain, type ServedChain } from "../../src/testing/serveChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { place } from "./smallContracts.ts";
import { findWorld, makeWorld, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-simulate-"));
let served: ServedChain;
let world: World;
let router: Address;
let policyText: string;
const acme: Address = "0x00000000000000000000000000000000000Ac3E0";
beforeAll(async () => {
  served = await serveChain();
  world = await makeWorld(served.chain, "simulate", { grant: false });
  router = await place(served.chain, "router");
  await served.chain.request({ method: "hardhat_setBalance", params: [router, toHex(parseEther("1"))] });
  policyText = `policy: dca
version: 1
chain: 31337
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  router: { address: "${router}", contract: true }
  acme: { address: "${acme}" }
limits:
  - perPayment: "50.00 USDC"
    perWindow: "100.00 USDC"
    window: 24h
    lifetime: "1000.00 USDC"
    functions: [approve]
calls:
  - to: router
    function: function swap(address token, uint256 amount, address to)
    counts: USDC
    where: { token: { equals: USDC }, to: { self: true } }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
expires: "2036-12-31T00:00:00Z"
`;
  writeFileSync(join(folder, "dca.yaml"), policyText);
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

const units = 1_000_000n;
const token = (functionName: "transfer" | "approve", to: Address, amount: bigint): Call => ({
  to: tokenAddress,
  valueWei: 0n,
  data: encodeFunctionData({ abi: erc20Abi, functionName, args: [to, amount] }),
});
const swap = (amount: bigint, to: Address = world.account): Call => ({
  to: router,
  valueWei: 0n,
  data: encodeFunctionData({
    abi: parseAbi(["function swap(address token, uint256 amount, address to)"]),
    args: [tokenAddress, amount, to],
  }),
});
const simulate = (calls: readonly Call[], text = policyText) =>
  simulateOperation({
    rpc: served.url,
    account: world.account,
    document: parsePolicy(text, "dca.yaml"),
    calls,
  });

describe("an operation on the newest state", () => {
  test("shows what goes in and out, and that the policy counts all of it", async () => {
    const result = await simulate([token("approve", router, 40n * units), swap(40n * units)]);
    expect(result).toMatchObject({
      counted: { words: "40.00 USDC" },
      refusals: [],
      flags: [],
      failure: null,
    });
    expect(result.assets.map(({ words }) => words).toSorted()).toEqual([
      "1 ETH in",
      "40.00 USDC out, 40.00 USDC counted",
    ]);
    expect(result.approvals.map(({ words }) => words)).toEqual([
      `${router} is given an allowance of 40.00 USDC`,
    ]);
  });

  test("flags what leaves or may leave uncounted, and says what the policy refuses", async () => {
    const reverting = await simulate([token("approve", router, 10n * units), swap(40n * units)]);
    expect(reverting.failure).toMatch(/ERC20InsufficientAllowance/);
    const foreign = await simulate([token("approve", acme, 60n * units)]);
    expect(foreign.refusals).toEqual(["60.00 USDC is over the 50.00 USDC allowed per payment."]);
    const elsewhere = await simulate([token("transfer", router, units), swap(0n, acme)]);
    expect(elsewhere.refusals).toEqual([expect.stringMatching(/^Call 2: no rule allows 0x/)]);
    const coin = policyText.replace(tokenAddress, await place(served.chain, "silentToken", "other"));
    await expect(simulate([token("transfer", acme, units)], coin)).rejects.toThrow(/decimals/);
  });

  test("flags tokens that a rule's contract takes by an older allowance", async () => {
    const other = policyText.replace("functions: [approve]", "operations: { lifetime: 5 }");
    await sendTransaction(world.chain, world.owner, {
      to: world.account,
      data: encodeCalls([token("approve", router, units)]),
    });
    const result = await simulate([swap(units)], other);
    expect(result.refusals).toEqual([]);
    expect(result.flags).toEqual(["1.00 USDC leaves the account and the policy counts nothing of it."]);
  });

  test("says so when the node can't simulate, and uses eth_simulateV1 where there is one", async () => {
    const asked: string[] = [];
    const chainWith = (answer: (method: string) => unknown) =>
      ({
        ...world.chain,
        client: {
          request: async ({ method }: { method: string }) => {
            asked.push(method);
            return answer(method);
          },
        },
      }) as unknown as World["chain"];
    const none = chainWith((method) => {
      throw new Error(`${method} is not there`);
    });
    await expect(simulateCalls(none, world.account, [swap(1n)])).rejects.toMatchObject({
      name: "SimulationUnsupportedError",
    });
    expect(asked).toEqual(["eth_simulateV1", "debug_traceCall"]);
    const pad = (address: string) => `0x${address.slice(2).toLowerCase().padStart(64, "0")}`;
    const moved = {
      address: "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
      topics: [
        "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        pad(router),
        pad(world.account),
      ],
      data: toHex(7n, { size: 32 }),
    };
    const modern = chainWith(() => [{ calls: [{ status: "0x1", returnData: "0x", logs: [moved] }] }]);
    expect(await simulateCalls(modern, world.account, [swap(1n)])).toMatchObject({
      transfers: [{ units: 7n, to: world.account }],
      approvals: [],
      others: [],
    });
  });
});

test("with the agent's address, what the account has on record counts", async () => {
  const usual = await findWorld(served.chain, "counted");
  const made = await makeWorld(served.chain, "counted", {
    policyText: usual.policyText.replace("5000.00 USDC", "800.00 USDC"),
  });
  const state = join(folder, "counted");
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "450.00", reference: "INV-9001" }) });
  const house = openHouse(made, { state });
  await decideAll(house, state);
  house.journal.close();
  const { agent, account } = made;
  const document = parsePolicy(made.policyText, "counted.yaml");
  const { payees } = compilePolicy(document, agent.address);
  const calls = [token("transfer", payees[0]!.address, 450n * units)];
  const ask = (who: Address | undefined, other = document) =>
    simulateOperation({ rpc: served.url, account, document: other, calls, agent: who });

  expect(await ask(undefined)).toMatchObject({ counters: "not looked at", refusals: [] });
  const second = await ask(agent.address);
  expect(second).toMatchObject({
    counters: "in force",
    refusals: ["450.00 USDC on top of 450.00 USDC already spent crosses the window's 800.00 USDC."],
  });
  const wider = parsePolicy(usual.policyText, "wider.yaml");
  expect(await ask(agent.address, wider)).toMatchObject({ counters: "not granted yet", refusals: [] });
  await sendTransaction(made.chain, made.owner, {
    to: account,
    data: encodeFunctionData({ abi: agentAccountAbi, functionName: "freeze" }),
  });
  expect((await ask(agent.address, wider)).refusals).toEqual([expect.stringMatching(/frozen/)]);
});

describe("a history", () => {
  test("of a journal is replayed against another policy", async () => {
    const made = await makeWorld(served.chain, "history");
    const state = join(folder, "history");
    const bill = (amount: string, reference: string) => billMail({ to: "acme", amount, reference });
    writeInbox(state, {
      "1.eml": bill("42.50", "INV-1042"),
      "2.eml": bill("170.00", "INV-2044"),
      "3.eml": bill("501.00", "INV-3046"),
      "4.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042", greeting: "Once more:" }),
      "5.eml": billMail({ to: "acme", amount: "55.00", reference: "INV-5", authenticated: false }),
    });
    const house = openHouse(made, { state });
    await decideAll(house, state);
    house.journal.close();

    const tighter = parsePolicy(made.policyText.replace("500.00 USDC", "100.00 USDC"), "tighter.yaml");
    const actions = readJournalActions(state);
    const { results, totals } = replay(compilePolicy(tighter, made.agent.address), actions, made.account);
    expect(
      results.map(({ action, reasons, verdict }) => [
        (action as (typeof actions)[number]).outcome,
        verdict,
        ...reasons.map(({ code }) => code),
      ]),
    ).toEqual([
      ["paid", "allow"],
      ["paid", "deny", "over-per-payment"],
      ["refused", "deny", "over-per-payment"],
      // The chain would have let them go; they moved no money and count for none.
      ["refused", "allow"],
      ["asked", "allow"],
    ]);
    expect(totals).toEqual([expect.objectContaining({ allowed: 3, denied: 2, allowedUnits: 42_500_000n })]);
    expect(() => readJournalActions(join(folder, "nowhere"))).toThrow(/no journal/);
  });

  test("counts a rolling window: what is refused today goes through tomorrow", () => {
    const policy = compilePolicy(parsePolicy(policyText, "dca.yaml"), world.agent.address);
    const start = 1_800_000_000;
    const pay = (hours: number) => ({ at: start + hours * 3600, to: acme, token: "USDC", amount: "50.00" });
    const calls = { at: start + 3600, calls: [token("approve", router, 50n * units), swap(50n * units)] };
    const { results } = replay(policy, [pay(0), calls, pay(2), pay(29), pay(30), pay(31)], world.account);
    expect(results.map(({ reasons, verdict }) => [verdict, ...reasons.map(({ code }) => code)])).toEqual([
      ["allow"],
      ["allow"],
      ["deny", "over-window"],
      ["allow"],
      ["allow"],
      ["deny", "over-window"],
    ]);
  });
});

test("counts operations, as the chain does, and says what no limit allows", () => {
  const text = policyText.replace(
    "functions: [approve]",
    "functions: [approve]\n    operations: { perWindow: 1 }",
  );
  const policy = compilePolicy(parsePolicy(text, "dca.yaml"), world.agent.address);
  const start = 1_800_000_000;
  const pay = (hours: number, to: string = acme) => ({
    at: start + hours * 3600,
    to,
    token: "USDC",
    amount: "1.00",
  });
  const many = {
    at: start + 60 * 3600,
    calls: Array.from({ length: 17 }, () => token("transfer", acme, 1n)),
  };
  const transfer = token("transfer", acme, units);
  const dirty = { ...transfer, data: transfer.data.replace("a9059cbb00", "a9059cbb01") as `0x${string}` };
  const encoded = { at: start + 61 * 3600, calls: [dirty] };
  const { results, totals, unassigned } = replay(
    policy,
    [pay(0), pay(2), pay(30), pay(31, "nobody"), many, encoded],
    world.account,
  );
  expect(results.map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)])).toEqual([
    ["allow"],
    ["deny", "too-many-operations-in-window"],
    ["allow"],
    ["deny", "payee-unknown"],
    ["deny", "call-not-allowed"],
    ["deny", "call-not-allowed"],
  ]);
  expect(results[4]!.reasons[0]!.words).toBe("17 calls: one operation makes 1 to 16.");
  expect(totals).toMatchObject([{ allowed: 2, denied: 1 }]);
  expect(unassigned).toBe(3);
});

test("the command says it for people and for programs, with its status", async () => {
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  const bursar = (...words: readonly string[]) =>
    new Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }>((resolve) =>
      execFile(
        process.execPath,
        [
          "--disable-warning=ExperimentalWarning",
          "--conditions=source",
          main,
          "policy",
          "simulate",
          ...words,
        ],
        { cwd: folder },
        (error, stdout, stderr) => resolve({ status: error ? 1 : 0, stdout, stderr }),
      ),
    );
  writeFileSync(
    join(folder, "actions.json"),
    JSON.stringify([
      { at: "2030-01-01T00:00:00Z", to: "acme", token: "USDC", amount: "10" },
      { at: 1_900_000_000, to: "acme", token: "USDC", amount: "51", label: "too much" },
    ]),
  );
  const history = await bursar("dca.yaml", "--actions", "actions.json", "--json");
  expect(history.status).toBe(1);
  expect(JSON.parse(history.stdout)).toMatchObject({
    results: [
      { verdict: "allow", action: "10 USDC to acme" },
      { verdict: "deny", label: "too much", reasons: [{ code: "over-per-payment" }] },
    ],
    totals: [{ asset: "USDC", allowedUnits: "10000000", denied: 1 }],
  });
  const callData = encodeCalls([token("approve", router, units), swap(units)]);
  writeFileSync(join(folder, "op.json"), JSON.stringify({ sender: world.account, callData }));
  const where = ["--account", world.account, "--rpc", served.url];
  const operation = await bursar("dca.yaml", "--operation", "op.json", ...where);
  expect(operation).toMatchObject({ status: 0, stderr: "running it on the newest state\n" });
  expect(operation.stdout).toContain("The policy counts all of it.");
  const nothing = await bursar("dca.yaml", "--json");
  expect(JSON.parse(nothing.stdout)).toMatchObject({
    error: { remedy: expect.stringContaining("--journal") },
  });
});
