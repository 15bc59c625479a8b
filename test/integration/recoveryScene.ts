// What the tests of the recovery table share: a chain, and a house whose time goes by block by block.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex, type Hex } from "viem";
import { afterAll, beforeAll } from "vitest";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { fromUserOpJson, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { BundlerError, ChainRefusalError } from "../../src/chain/errors.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { readEntries } from "../../src/journal/entries.ts";
import type { House } from "../../src/runtime/house.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { type World } from "./world.ts";

export const folder = mkdtempSync(join(tmpdir(), "bursar-recovery-"));
export let chain: LocalChain;
beforeAll(async () => {
  chain = await startLocalChain();
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What every block costs as long as it is set; else the chain's own price, which falls while blocks are empty. */
export let baseFeeWei: bigint | undefined;
export function setBaseFee(wei: bigint | undefined): void {
  baseFeeWei = wei;
}
export async function mine(): Promise<void> {
  if (baseFeeWei !== undefined)
    await chain.request({ method: "hardhat_setNextBlockBaseFeePerGas", params: [toHex(baseFeeWei)] });
  await chain.request({ method: "evm_mine" });
}
export const bill = (number: number) =>
  billMail({ to: "acme", amount: `4${number}.50`, reference: `INV-${number}` });
export const unitsOf = (number: number) => BigInt(40 + number) * 1_000_000n + 500_000n;

/** Opens a world's house over a bundler that is made of its real one. Time goes by block by block, not by the clock. */
export function settle(world: World, bundlerOf: (own: Bundler) => Bundler = (own) => own) {
  const state = join(folder, world.name);
  const sent: UserOpJson[] = [];
  const bundler = bundlerOf(ownBundler(world.chain, { executor: world.purse }));
  const house: House = {
    ...openHouse(world, {
      state,
      bundler: {
        ...bundler,
        send(userOp, attempt) {
          sent.push(userOp);
          return bundler.send(userOp, attempt);
        },
      },
    }),
    async sleep() {
      await mine();
    },
  };
  return { house, sent, state };
}

/** Delivers bills and decides them all; closes the journal, as a runtime that ends. */
export async function decide(world: World, mails: readonly string[], bundlerOf?: (own: Bundler) => Bundler) {
  const { house, sent, state } = settle(world, bundlerOf);
  writeInbox(
    state,
    Object.fromEntries(
      mails.map((mail, index) => [`${sent.length + index}-${mail.length}-${index}.eml`, mail]),
    ),
  );
  try {
    const reports = await decideAll(house, state, { backOffMs: [] });
    const { decisions, failures } = await verifyDecisions(house);
    return {
      sent,
      reports,
      outcomes: reports.map(({ outcome }) => outcome),
      verified: [...failures, ...decisions.flatMap((decision) => decision.failures)],
      kinds: readEntries(house.journal).map(({ kind }) => kind),
    };
  } finally {
    house.journal.close();
  }
}

export const hashOf = (world: World, userOp: UserOpJson): Hex =>
  userOpHashOf(world.chain.chainId, fromUserOpJson(userOp));
export const distinct = (world: World, sent: readonly UserOpJson[]) => [
  ...new Set(sent.map((userOp) => hashOf(world, userOp) + userOp.signature)),
];

export const aa25 = new ChainRefusalError({ code: "AA25", error: "AA25", words: "invalid account nonce" });
export const deaf = new BundlerError("test", "does not answer", new Error("test"));
