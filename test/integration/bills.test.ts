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
import { BundlerError } from "../../src/chain/errors.ts";
import type { DecisionReport } from "../../src/runtime/report.ts";
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
  const reminder = billMail({ ...invoice, greeting: "You have not paid yet:" });

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

  test("when its time passes before anybody includes it", async () => {
    const world = await makeWorld(chain, "expired");
    const own = ownBundler(world.chain, { executor: world.purse });
    // Takes everything and forgets it; meanwhile five minutes of blocks go by.
    const forgetful: Bundler = {
      ...own,
      async send(userOp) {
        for (let block = 0; block < 310; block++) await chain.request({ method: "evm_mine" });
        return userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
      },
    };
    const [expired] = await decide(world, { "1.eml": billMail(invoice) }, forgetful);
    expect(inShort([expired!])).toEqual([["allow", "expired", "expired"]]);
    expect(expired!.receipt).toBeNull();

    expect(inShort(await decide(world, { "2.eml": reminder })).at(-1)).toEqual(["allow", "paid"]);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
    expect(await operationsOf(world)).toHaveLength(1);
  });
});
