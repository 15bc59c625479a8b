import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encodeFunctionData, erc20Abi } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { rpcBundler } from "../../src/chain/bundler/rpcBundler.ts";
import { fromUserOpJson, toUserOpJson, userOpHashOf, type PlainUserOp } from "../../src/chain/entryPoint.ts";
import type { ChainRefusalError, Refusal } from "../../src/chain/errors.ts";
import { committedTrees, decisionLogOf } from "../../src/chain/findReceipt.ts";
import { ownerCall } from "../../src/chain/ownerCall.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { defaultMaxFeeWei, prepareAsOwner, sendAsOwner } from "../../src/chain/sendAsOwner.ts";
import {
  encodeCall,
  encodeSignature,
  signCommitment,
  type Commitment,
} from "../../src/chain/signOperation.ts";
import { outputOf } from "../../src/journal/decisions.ts";
import { readEntries } from "../../src/journal/entries.ts";
import { operationOf } from "../../src/journal/operations.ts";
import { payeeProof } from "../../src/policy/payeeTree.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import { sleep } from "../../src/runtime/clock.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { decideAll, openHouse } from "../integration/house.ts";
import { billMail, writeInbox } from "../integration/mails.ts";
import { coinMail, creationsOf, makeUnmadeWorld, signedInstalls } from "../integration/unmadeWorld.ts";
import { makeWorld, operationsOf, paidTo, type World } from "../integration/world.ts";
import { startAlto, startHardhatNode, type Program } from "./programs.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-alto-"));
let node: Program;
let alto: Program;
beforeAll(async () => {
  node = await startHardhatNode();
  alto = await startAlto(node.url);
});
afterAll(async () => {
  await alto?.stop();
  await node?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A world of its own, and the road through alto. */
async function setStage(name: string): Promise<{ world: World; bundler: Bundler; state: string }> {
  const world = await makeWorld(node.url, name);
  return { world, bundler: rpcBundler(world.chain, alto.url), state: join(folder, name) };
}

/** An operation that pays acme, signed with the agent's key by hand: no runtime, no policy, no journal. */
async function signByHand(
  world: World,
  bundler: Bundler,
  payment: { readonly units: bigint; readonly newDecision?: boolean },
): Promise<PlainUserOp> {
  const { account, agent, chain, policy } = world;
  const [limit] = policy.limits;
  const { address: payee } = policy.payees.find(({ name }) => name === "acme")!;
  const state = await readAccount(chain, account, policy);
  const { treeSize } = decodeCounters(state.limits[0]!.countersWord);
  const commitment: Commitment = {
    validAfter: Number(state.blockTimestamp) - 30,
    validUntil: Number(state.blockTimestamp) + 270,
    treeSize: treeSize + (payment.newDecision === false ? 0 : 1),
    treeRoot: `0x${"11".repeat(32)}`,
  };
  const fees = await bundler.gasPrice();
  const data = encodeFunctionData({
    abi: erc20Abi,
    functionName: "transfer",
    args: [payee, payment.units],
  });
  const userOp: PlainUserOp = {
    sender: account,
    nonce: state.nonce,
    callData: encodeCall({ to: limit!.token.address, valueWei: 0n, data }),
    callGasLimit: 100_000n,
    verificationGasLimit: 250_000n,
    preVerificationGas: 80_000n,
    maxFeePerGas: fees.maxFeePerGasWei,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGasWei,
    signature: "0x",
  };
  const signature = await signCommitment({
    chainId: chain.chainId,
    account,
    signer: agent,
    userOpHash: userOpHashOf(chain.chainId, userOp),
    policyId: limit!.policyId,
    commitment,
  });
  const field = {
    agent: agent.address,
    commitment,
    terms: limit!.terms,
    payeeProof: payeeProof(policy.payeeTree, payee)!,
  };
  return { ...userOp, signature: encodeSignature({ ...field, signature }) };
}

async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  const error = await work.then(
    () => new Error("It was accepted."),
    (reason: unknown) => reason,
  );
  if ((error as Error).name !== "ChainRefusalError") throw error;
  return (error as ChainRefusalError).refusal;
}

describe("through alto on hardhat node", () => {
  test("bills are paid, each with its decision committed in the same transaction", async () => {
    const { bundler, state, world } = await setStage("paying");
    writeInbox(state, {
      "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }),
      "2.eml": billMail({ to: "nobody", amount: "1.00", reference: "N-1" }),
      "3.eml": billMail({ to: "globex", amount: "7.25", reference: "G-7" }),
    });
    const house = openHouse(world, { state, bundler });
    try {
      const reports = await decideAll(house, state);
      expect(reports.map(({ outcome }) => outcome)).toEqual(["paid", "refused", "paid"]);
      expect(await paidTo(world, "acme")).toBe(42_500_000n);
      expect(await paidTo(world, "globex")).toBe(7_250_000n);

      const decisionLog = await decisionLogOf(world.chain, world.account);
      for (const report of [reports[0]!, reports[2]!]) {
        const { treeSize, treeRoot } = outputOf(house.journal, report.id, "seal") as {
          treeSize: number;
          treeRoot: string;
        };
        expect(
          await committedTrees(
            world.chain,
            decisionLog,
            report.receipt!.transaction,
            world.account,
            world.agent.address,
          ),
        ).toEqual([{ writer: world.account, size: treeSize, root: treeRoot }]);
      }
      // alto took both at the first try: its estimate over the stub signature was enough (no AA26).
      const sent = readEntries(house.journal).filter((entry) => entry.kind === "sent");
      expect(sent.map(({ body }) => body["answer"])).toEqual(["accepted", "accepted"]);
      const verified = await verifyDecisions(house);
      expect(verified.decisions.flatMap((check) => check.failures)).toEqual([]);
    } finally {
      house.journal.close();
    }
  });

  test("an account that is not there yet is made by its first operation, with the grant that its owner signed", async () => {
    const world = await makeUnmadeWorld(node.url, "unmade");
    const state = join(folder, world.name);
    writeInbox(state, { "1.eml": coinMail("INV-1", "0.1") });
    const bundler = rpcBundler(world.chain, alto.url);
    const ownerSignatures = await signedInstalls(world);
    const house = { ...openHouse(world, { state, bundler, ownerSignatures }), origin: world.origin };
    try {
      expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid"]);
      writeInbox(state, { "2.eml": billMail({ to: "acme", amount: "7.25", reference: "INV-2" }) });
      expect((await decideAll(house, state)).map(({ outcome }) => outcome)).toEqual(["paid", "paid"]);
      expect(await creationsOf(world)).toHaveLength(1);
      const sent = readEntries(house.journal).filter((entry) => entry.kind === "sent");
      expect(sent.map(({ body }) => body["answer"])).toEqual(["accepted", "accepted"]);
    } finally {
      house.journal.close();
    }
  });

  test("an owner's operation fits the bounds that the owner's key has for bundlers", async () => {
    const world = await makeWorld(node.url, "owner", { grant: false });
    const { account, chain, owner, policy } = world;
    const bundler = rpcBundler(chain, alto.url);
    const calls = policy.limits.map(({ grant }) => ownerCall(account, "grant", [grant]));
    const prepared = await prepareAsOwner(chain, bundler, account, calls, undefined);
    expect(prepared.mostFeeWei).toBeLessThan(defaultMaxFeeWei);
    await sendAsOwner(chain, bundler, owner, prepared, sleep);
    const state = await readAccount(chain, account, policy);
    expect(decodeCounters(state.limits[0]!.countersWord).status).toBe("granted");
  });

  test("gas is estimated over a stub signature as over the real one", async () => {
    const { bundler, world } = await setStage("estimating");
    const signed = await signByHand(world, bundler, { units: 1_000_000n });
    // The 64 bytes behind kind and agent are the agent's signature: put one there that no key made.
    const stub = `${"0".repeat(63)}1`.repeat(2);
    const at = 2 + 2 + 40;
    const stubbed = `${signed.signature.slice(0, at)}${stub}${signed.signature.slice(at + 128)}` as const;
    const real = await bundler.estimateGas(signed);
    const guess = await bundler.estimateGas({ ...signed, signature: stubbed as `0x${string}` });
    const difference = Number(guess.verificationGasLimit - real.verificationGasLimit);
    expect(Math.abs(difference) / Number(real.verificationGasLimit)).toBeLessThan(0.05);
  });

  test("a payment over the limit, signed by hand with the agent's key, is refused in the account's own words", async () => {
    const { bundler, world } = await setStage("over-limit");
    const tenfold = await signByHand(world, bundler, { units: 5_000_000_000n });
    for (const attempt of [() => bundler.send(toUserOpJson(tenfold)), () => bundler.estimateGas(tenfold)])
      expect(await refusalOf(attempt())).toEqual({
        code: "AA23",
        error: "OverPerCall(5000000000, 500000000)",
        words: expect.stringMatching(/^the payment is over the limit per payment: \d+ base units/),
      });
    expect(await operationsOf(world)).toEqual([]);
  });

  test("a payment without a new decision is refused in the account's own words", async () => {
    const { bundler, world } = await setStage("undecided");
    const undecided = await signByHand(world, bundler, { units: 1_000_000n, newDecision: false });
    const refusal = await refusalOf(bundler.send(toUserOpJson(undecided)));
    expect(refusal).toMatchObject({ code: "AA23", error: expect.stringMatching(/^StaleSize\(/) });
  });

  test("the same bytes sent again, before and after they are on the chain, pay nothing twice", async () => {
    const { bundler, state, world } = await setStage("again");
    // Every operation goes out twice at once, as after a crash between sending and knowing.
    const stuttering: Bundler = {
      ...bundler,
      async send(userOp) {
        const answers = await Promise.allSettled([bundler.send(userOp), bundler.send(userOp)]);
        expect(answers.map(({ status }) => status)).toContain("fulfilled");
        return userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
      },
    };
    writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1042" }) });
    const house = openHouse(world, { state, bundler: stuttering });
    try {
      const [report] = await decideAll(house, state);
      expect(report!.outcome).toBe("paid");
      const operation = operationOf(house.journal, report!.id)!;
      await bundler.send(operation.userOp).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await operationsOf(world)).toEqual([operation.userOpHash]);
      expect(await paidTo(world, "acme")).toBe(42_500_000n);
    } finally {
      house.journal.close();
    }
  });
});
