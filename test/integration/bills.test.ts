import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { sendTransaction } from "../../src/chain/deploy.ts";
import { userOpHashOf, fromUserOpJson } from "../../src/chain/entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import type { Observation } from "../../src/core/observation.ts";
import { outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { openJournal } from "../../src/journal/openJournal.ts";
import { compilePolicy } from "../../src/policy/compile.ts";
import { parsePolicy } from "../../src/policy/parse.ts";
import type { DecisionReport } from "../../src/runtime/report.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox, type Bill } from "./mails.ts";
import { makeWorld, mint, operationsOf, paidTo, startingUnits, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-bills-"));
let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

const invoice: Bill = { to: "acme", amount: "42.50", reference: "INV-1042" };
const reminder = billMail({ ...invoice, greeting: "You have not paid yet:" });

/** Delivers mails and decides them; called again, it goes on with the same journal as after a restart. */
async function decide(
  world: World,
  mails: Readonly<Record<string, string>>,
  bundler?: Bundler,
): Promise<readonly DecisionReport[]> {
  const state = join(folder, world.name);
  writeInbox(state, mails);
  const house = openHouse(world, bundler ? { state, bundler } : { state });
  try {
    return await decideAll(house, state);
  } finally {
    house.journal.close();
  }
}

const inShort = (reports: readonly DecisionReport[]) =>
  reports.map(({ outcome, reasons, verdict }) => [verdict, outcome, ...reasons.map(({ code }) => code)]);

const ownerCalls = (world: World, functionName: "freeze" | "revokeAll") =>
  sendTransaction(world.chain, world.owner, {
    to: world.account,
    data: encodeFunctionData({ abi: agentAccountAbi, functionName }),
  });

const withdraw = (world: World, units: bigint) =>
  sendTransaction(world.chain, world.owner, {
    to: world.account,
    data: encodeFunctionData({
      abi: agentAccountAbi,
      functionName: "withdraw",
      args: [tokenAddress, world.owner.address, units],
    }),
  });

describe("a bill is denied before anything is signed", () => {
  test("when the owner has not granted the policy", async () => {
    const world = await makeWorld(chain, "ungranted", { grant: false });
    expect(inShort(await decide(world, { "1.eml": billMail(invoice) }))).toEqual([
      ["deny", "refused", "not-granted"],
    ]);
    expect(await operationsOf(world)).toEqual([]);
  });

  test("when the owner has revoked everything", async () => {
    const world = await makeWorld(chain, "revoked");
    await ownerCalls(world, "revokeAll");
    expect(inShort(await decide(world, { "1.eml": billMail(invoice) }))).toEqual([
      ["deny", "refused", "not-granted"],
    ]);
  });

  test("when the account is frozen", async () => {
    const world = await makeWorld(chain, "frozen");
    await ownerCalls(world, "freeze");
    expect(inShort(await decide(world, { "1.eml": billMail(invoice) }))).toEqual([
      ["deny", "refused", "frozen"],
    ]);
  });

  test("when it is over the limit, and when the account does not hold as much", async () => {
    const world = await makeWorld(chain, "limits");
    await withdraw(world, startingUnits - 40_000_000n);
    const over = billMail({ ...invoice, amount: "500.01" });
    expect(inShort(await decide(world, { "1.eml": over, "2.eml": billMail(invoice) }))).toEqual([
      ["deny", "refused", "over-per-payment", "balance"],
      ["deny", "refused", "balance"],
    ]);
  });
});

describe("a bill is asked about and not paid", () => {
  test("when nobody vouches for its sender", async () => {
    const world = await makeWorld(chain, "unauthenticated");
    expect(inShort(await decide(world, { "1.eml": billMail({ ...invoice, authenticated: false }) }))).toEqual(
      [["ask", "asked", "sender-unauthenticated"]],
    );
    expect(await paidTo(world, "acme")).toBe(0n);
  });

  test("when its sender is somebody else than the payee", async () => {
    const world = await makeWorld(chain, "stranger");
    expect(
      inShort(await decide(world, { "1.eml": billMail({ ...invoice, domain: "evil.example" }) })),
    ).toEqual([["ask", "asked", "sender-not-payee"]]);
  });
});

describe("a mail that names a paid bill is asked about", () => {
  test("where the paid one's number is short: grown, or in the reminder's text", async () => {
    const world = await makeWorld(chain, "short");
    await decide(world, { "1.eml": billMail({ ...invoice, reference: "123" }) });
    const reports = await decide(world, {
      "2.eml": billMail({ ...invoice, amount: "43.50", reference: "123-R1" }),
      "3.eml": billMail({ ...invoice, amount: "44.50", reference: "REM-9001", greeting: "Of invoice 123:" }),
    });
    expect(inShort(reports)).toEqual([
      ["allow", "paid"],
      ["ask", "asked", "looks-already-paid"],
      ["ask", "asked", "looks-already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });

  test("where both mails have a number of their own beside the bill's", async () => {
    const world = await makeWorld(chain, "two-numbers");
    const numbered = (reference: string, amount: string) =>
      billMail({ ...invoice, reference, amount, greeting: "Invoice INV-1042" });
    await decide(world, { "1.eml": numbered("PO-7719", "42.50") });
    expect(inShort(await decide(world, { "2.eml": numbered("REM-0088", "47.50") })).slice(1)).toEqual([
      ["ask", "asked", "looks-already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });
});

describe("one bill is paid once", () => {
  test("when it comes again in another mail, with its reference written differently", async () => {
    const world = await makeWorld(chain, "again");
    const again = billMail({ ...invoice, reference: "inv 1042", greeting: "A friendly reminder:" });
    expect(inShort(await decide(world, { "1.eml": billMail(invoice), "2.eml": again }))).toEqual([
      ["allow", "paid"],
      ["deny", "refused", "already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });

  test("when the policy calls its payee otherwise by then", async () => {
    const world = await makeWorld(chain, "renamed");
    await decide(world, { "1.eml": billMail(invoice) });
    const policyText = world.policyText.replace("  acme:", "  acme-hosting:");
    const policy = compilePolicy(parsePolicy(policyText), world.agent.address);
    // The chain knows no names, so the grant is the one that there is.
    expect(policy.limits[0]!.policyId).toBe(world.policy.limits[0]!.policyId);
    const again = billMail({ ...invoice, to: "acme-hosting", domain: "acme.example", greeting: "Reminder:" });
    expect(inShort(await decide({ ...world, policy, policyText }, { "2.eml": again }))).toEqual([
      ["allow", "paid"],
      ["deny", "refused", "already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });

  test("when the same mail lies there under two names", async () => {
    const world = await makeWorld(chain, "twins");
    const mails = { "1.eml": billMail(invoice), "2.eml": billMail(invoice) };
    expect(inShort(await decide(world, mails))).toEqual([["allow", "paid"]]);
    expect(inShort(await decide(world, { "3.eml": billMail(invoice) }))).toEqual([["allow", "paid"]]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });
});

describe("a bundler that does not take an operation", () => {
  test("gets the same bytes again, and the bill is paid once", async () => {
    const world = await makeWorld(chain, "busy");
    const own = ownBundler(world.chain, { executor: world.purse });
    const offered: string[] = [];
    const busy: Bundler = {
      ...own,
      async send(userOp) {
        offered.push(userOp.signature);
        if (offered.length === 1) throw new BundlerError("busy", "did not take the operation", "too busy");
        return own.send(userOp);
      },
    };
    expect(inShort(await decide(world, { "1.eml": billMail(invoice) }, busy))).toEqual([["allow", "paid"]]);
    expect(offered).toHaveLength(2);
    expect(offered[0]).toBe(offered[1]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });
});

describe("an operation that does not pay leaves its bill open", () => {
  test("when it reverts on the chain", async () => {
    const world = await makeWorld(chain, "reverted");
    const own = ownBundler(world.chain, { executor: world.purse });
    // The owner takes the money away after the judge has seen it.
    const late: Bundler = {
      ...own,
      async send(userOp) {
        await withdraw(world, startingUnits);
        return own.send(userOp);
      },
    };
    const [reverted] = await decide(world, { "1.eml": billMail(invoice) }, late);
    expect(inShort([reverted!])).toEqual([["allow", "reverted", "reverted"]]);
    expect(reverted!.receipt).toMatchObject({
      outcome: "reverted",
      revertReason: expect.stringContaining("ERC20InsufficientBalance"),
    });
    expect(await paidTo(world, "acme")).toBe(0n);

    await mint(world, world.account, startingUnits);
    expect(inShort(await decide(world, { "2.eml": reminder })).at(-1)).toEqual(["allow", "paid"]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });
});

/** Takes everything and forgets it `times` times, while five minutes of blocks go by; then does its work. */
function forgetful(world: World, times: number): Bundler & { readonly taken: string[] } {
  const own = ownBundler(world.chain, { executor: world.purse });
  const taken: string[] = [];
  return {
    ...own,
    taken,
    async send(userOp) {
      const hash = userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
      if (!taken.includes(hash)) taken.push(hash);
      if (taken.length > times) return own.send(userOp);
      for (let block = 0; block < 310; block++) await chain.request({ method: "evm_mine" });
      return hash;
    },
  };
}

/** A bundler that refuses to estimate, `times` times. */
function refusing(world: World, times: number, code: string): Bundler {
  const own = ownBundler(world.chain, { executor: world.purse });
  let left = times;
  return {
    ...own,
    async estimateGas(draft) {
      if (left-- > 0) throw new ChainRefusalError({ code, error: code, words: "not now" });
      return own.estimateGas(draft);
    },
  };
}

/** The journal's words on retries: kind of the entry and how the decision before it ended. */
function retriesIn(world: World): readonly (readonly unknown[])[] {
  const journal = openJournal(join(folder, world.name, "journal.db"));
  try {
    return readEntries(journal)
      .filter(({ kind }) => kind === "reopened" || kind === "given-up")
      .map(({ body, kind }) => [kind, body["outcome"]]);
  } finally {
    journal.close();
  }
}

describe("a bill is not decided again by itself", () => {
  test("when the chain refuses the payment for what it is", async () => {
    const world = await makeWorld(chain, "policy-refusal");
    const own = ownBundler(world.chain, { executor: world.purse });
    // The owner freezes the account after the judge has looked.
    const late: Bundler = {
      ...own,
      async estimateGas(draft) {
        await ownerCalls(world, "freeze");
        return own.estimateGas(draft);
      },
    };
    expect(inShort(await decide(world, { "1.eml": billMail(invoice) }, late))).toEqual([
      ["allow", "refused", "refused-by-chain"],
    ]);
    expect(retriesIn(world)).toEqual([]);
    expect(await operationsOf(world)).toEqual([]);
  });

  test("for ever: after three retries it is given up, and the log says so", async () => {
    const world = await makeWorld(chain, "given-up");
    const reports = await decide(world, { "1.eml": billMail(invoice) }, refusing(world, 99, "AA21"));
    expect(inShort(reports)).toEqual(Array(4).fill(["allow", "refused", "refused-by-chain"]));
    expect(retriesIn(world)).toEqual([
      ...Array<unknown>(3).fill(["reopened", "refused"]),
      ["given-up", "refused"],
    ]);
    expect(await operationsOf(world)).toEqual([]);
    // A reminder is a trigger of its own.
    expect(inShort(await decide(world, { "2.eml": reminder })).at(-1)).toEqual(["allow", "paid"]);
  });
});

describe("a bill is decided again without a second mail, and paid once", () => {
  test("not before its pause is over, a restart in between", async () => {
    const world = await makeWorld(chain, "pausing");
    const state = join(folder, world.name);
    writeInbox(state, { "1.eml": billMail(invoice) });
    const bundler = refusing(world, 2, "AA21");
    const decideAt = async (atMs: number) => {
      const house = openHouse(world, { state, bundler });
      try {
        return inShort(await decideAll({ ...house, now: () => atMs, retryPauseMs: 10_000 }, state));
      } finally {
        house.journal.close();
      }
    };
    const atMs = 1_700_000_000_000;
    const refusal = ["allow", "refused", "refused-by-chain"];
    expect(await decideAt(atMs)).toEqual([refusal]);
    expect(await decideAt(atMs + 9_999)).toEqual([refusal]);
    expect(await decideAt(atMs + 10_000)).toEqual([refusal, refusal]);
    expect(await decideAt(atMs + 49_999)).toEqual([refusal, refusal]);
    expect(await decideAt(atMs + 50_000)).toEqual([refusal, refusal, ["allow", "paid"]]);
    expect(await operationsOf(world)).toHaveLength(1);
  });

  test("when its operation's time passes before anybody includes it", async () => {
    const world = await makeWorld(chain, "expired");
    const bundler = forgetful(world, 1);
    const reports = await decide(world, { "1.eml": billMail(invoice) }, bundler);
    expect(inShort(reports)).toEqual([
      ["allow", "expired", "expired"],
      ["allow", "paid"],
    ]);
    expect(reports[0]!.receipt).toBeNull();
    expect(reports[1]!.trigger).toEqual({
      ...reports[0]!.trigger,
      id: `${reports[0]!.trigger.id}#retry:${reports[0]!.leaf}`,
    });
    expect(retriesIn(world)).toEqual([["reopened", "expired"]]);
    expect(bundler.taken).toHaveLength(2);

    // The new decision knows of the one before it, and both stand up to a check.
    const house = openHouse(world, { state: join(folder, world.name) });
    const { facts } = outputOf(house.journal, reports[1]!.id, "observe") as unknown as Observation;
    const { decisions } = await verifyDecisions(house);
    house.journal.close();
    expect(facts["trigger.retryOf"]).toEqual({ value: reports[0]!.leaf, provenance: "history" });
    expect(decisions.map(({ failures }) => failures)).toEqual([[], []]);

    // Neither a restart nor a reminder pays it again.
    expect(inShort(await decide(world, { "2.eml": reminder })).slice(1)).toEqual([
      ["allow", "paid"],
      ["deny", "refused", "already-paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
    expect(await operationsOf(world)).toHaveLength(1);
  });

  test.each(["AA21", "AA22", "AA25"])("when the chain says %s at signing", async (code) => {
    const world = await makeWorld(chain, `passing-${code.toLowerCase()}`);
    const reports = await decide(world, { "1.eml": billMail(invoice) }, refusing(world, 1, code));
    expect(inShort(reports)).toEqual([
      ["allow", "refused", "refused-by-chain"],
      ["allow", "paid"],
    ]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });
});

describe("an operation that a reorg puts into an earlier block", () => {
  test("is found: its event is looked for from the block that was final at signing", async () => {
    const made = await makeWorld(chain, "reorg");
    const world: World = { ...made, chain: { ...made.chain, finality: { depth: 3 } } };
    const own = ownBundler(world.chain, { executor: world.purse });
    const heads: bigint[] = [];
    const bundler: Bundler = {
      ...own,
      async estimateGas(draft) {
        heads.push(await world.chain.client.getBlockNumber());
        return own.estimateGas(draft);
      },
      async send(userOp) {
        const hash = await own.send(userOp);
        for (let block = 0; block < 3; block++) await chain.request({ method: "evm_mine" });
        return hash;
      },
    };
    const [paid] = await decide(world, { "1.eml": billMail(invoice) }, bundler);
    expect(inShort([paid!])).toEqual([["allow", "paid"]]);
    const journal = openJournal(join(folder, world.name, "journal.db"));
    const signed = outputOf(journal, paid!.id, "sign");
    journal.close();
    expect(signed).toMatchObject({ fromBlock: (heads[0]! - 3n).toString() });
  });
});
