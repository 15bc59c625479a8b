import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  getCreate2Address,
  hexToBigInt,
  parseEther,
  toHex,
  zeroHash,
  type Address,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import type { Bundler } from "../../src/chain/bundler/bundler.ts";
import { ownBundler } from "../../src/chain/bundler/ownBundler.ts";
import { create2Deployer, ensureContracts, ensureDeployed, sendTransaction } from "../../src/chain/deploy.ts";
import { connectChain } from "../../src/chain/connectChain.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { PaymasterError } from "../../src/chain/errors.ts";
import { rpcPaymaster } from "../../src/chain/paymaster/rpcPaymaster.ts";
import { readAccount } from "../../src/chain/readAccount.ts";
import { longestClaimSeconds } from "../../src/chain/signOperation.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { decodeCounters } from "../../src/policy/usage.ts";
import type { House } from "../../src/runtime/house.ts";
import { requireDrivable } from "../../src/runtime/requireDrivable.ts";
import { verifyDecisions } from "../../src/runtime/verifyDecisions.ts";
import { operationsFor } from "../../src/journal/operations.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { servePaymaster, type PaymasterServer } from "../../src/testing/paymasterServer.ts";
import { ozPaymasterBytecode } from "../accounts/bytecode.ts";
import { decideAll, openHouse } from "./house.ts";
import { billMail, writeInbox } from "./mails.ts";
import { keyOf, makeWorld, paidTo, tokenAddress, type World } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-paymaster-"));
const payer = privateKeyToAccount(keyOf("paymaster", "payer"));
const initCode = concatHex([
  ozPaymasterBytecode,
  encodeAbiParameters([{ type: "address" }, { type: "address" }], [entryPointAddress, payer.address]),
]);
const paymaster: Address = getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode });
let chain: LocalChain;
let service: PaymasterServer;

beforeAll(async () => {
  chain = await startLocalChain();
  const connected = await connectChain({ rpc: chain, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(connected, localFaucet);
  await ensureDeployed(connected, localFaucet, { address: paymaster, initCode });
  await sendTransaction(connected, localFaucet, {
    to: entryPointAddress,
    valueWei: parseEther("5"),
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [paymaster] }),
  });
  service = await servePaymaster({
    paymaster,
    domain: { name: "OzPaymaster", version: "1" },
    signer: payer,
  });
});
beforeEach(() => {
  Object.assign(service, { validUntil: 0, lie: {}, refuses: false });
});
afterAll(async () => {
  await service.close();
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

let baseFeeWei: bigint | undefined;
async function mine(): Promise<void> {
  if (baseFeeWei !== undefined)
    await chain.request({ method: "hardhat_setNextBlockBaseFeePerGas", params: [toHex(baseFeeWei)] });
  await chain.request({ method: "evm_mine" });
}

const policyText = (name: string, address: string = paymaster) => `policy: ${name}
version: 1
chain: ${localChainId}
tokens:
  USDC: { address: "${tokenAddress}", decimals: 6 }
payees:
  acme: { address: "${privateKeyToAccount(keyOf(name, "acme")).address}", senders: [acme.example] }
limits:
  - { perPayment: "500.00 USDC", perWindow: "5000.00 USDC", window: 24h, lifetime: "20000.00 USDC" }
gas: { budget: "0.5 ETH", perOperation: "0.02 ETH" }
paymaster: "${address}"
expires: "2036-12-31T00:00:00Z"
`;

const sponsoredWorld = (name: string, address?: string): Promise<World> =>
  makeWorld(chain, name, { policyText: policyText(name, address) });

/** Decides one bill with the paymaster's service, and tells what came of it. */
async function decide(world: World, bundlerOf: (own: Bundler) => Bundler = (own) => own) {
  const state = join(folder, world.name);
  const sent: UserOpJson[] = [];
  const bundler = bundlerOf(ownBundler(world.chain, { executor: world.purse }));
  writeInbox(state, { "1.eml": billMail({ to: "acme", amount: "42.50", reference: "INV-1" }) });
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
    paymaster: rpcPaymaster(world.chain, service.url, { policyId: "of the service" }),
    sleep: mine,
  };
  try {
    const reports = await decideAll(house, state, { backOffMs: [] });
    const { decisions, failures } = await verifyDecisions(house);
    return {
      sent,
      outcomes: reports.map(({ outcome }) => outcome),
      operations: reports.map(({ id }) => operationsFor(house.journal, id)),
      verified: [...failures, ...decisions.flatMap((decision) => decision.failures)],
    };
  } finally {
    house.journal.close();
  }
}

const depositOf = ({ chain: { client } }: World, address: Address) =>
  client.readContract({
    address: entryPointAddress,
    abi: entryPointAbi,
    functionName: "balanceOf",
    args: [address],
  });
const gasSpent = async (world: World) =>
  decodeCounters((await readAccount(world.chain, world.account, world.policy)).limits[0]!.countersWord).gas;
const now = async ({ chain: { client } }: World) => Number((await client.getBlock()).timestamp);

describe("a sponsored operation", () => {
  test("is paid for by the policy's paymaster, and touches neither the account's deposit nor its gas budget", async () => {
    const world = await sponsoredWorld("sponsored");
    const before = [await depositOf(world, world.account), await depositOf(world, paymaster)] as const;
    const from = service.asked.length;
    const { operations, outcomes, sent, verified } = await decide(world);
    expect({ outcomes, verified }).toEqual({ outcomes: ["paid"], verified: [] });
    expect(service.asked.slice(from)).toEqual(["pm_getPaymasterStubData", "pm_getPaymasterData"]);
    expect(sent).toMatchObject([{ paymaster }]);
    expect(await depositOf(world, world.account)).toBe(before[0]);
    expect(await depositOf(world, paymaster)).toBeLessThan(before[1]);
    expect(await gasSpent(world)).toBe(0);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
    // A sponsorship without an end leaves the claim as long as it is.
    const { validAfter, validUntil } = operations[0]![0]!;
    expect(validUntil - validAfter).toBe(longestClaimSeconds);
  });

  test("ends when its sponsorship does: at a final block it is expired, and decided again with a new one", async () => {
    const world = await sponsoredWorld("short");
    const end = (await now(world)) + 40;
    service.validUntil = end;
    const { operations, outcomes, sent, verified } = await decide(world, (own) => ({
      ...own,
      send: (userOp) =>
        service.validUntil === end
          ? mine().then(async () => {
              if ((await now(world)) > end - 10) service.validUntil = end + 200;
              return "0x" as const;
            })
          : own.send(userOp),
    }));
    expect({ outcomes, verified }).toEqual({ outcomes: ["expired", "paid"], verified: [] });
    expect(operations.map(([operation]) => operation!.validUntil)).toEqual([end, end + 200]);
    expect(new Set(sent.map(({ nonce }) => nonce)).size).toBe(1);
    expect(await paidTo(world, "acme")).toBe(42_500_000n);
  });

  test("that is outbid is bumped with a sponsorship of its own", async () => {
    const world = await sponsoredWorld("bumped");
    const { operations, outcomes, sent, verified } = await decide(world, (own) => ({
      ...own,
      async send(userOp) {
        if (baseFeeWei !== undefined) return own.send(userOp);
        baseFeeWei = hexToBigInt(userOp.maxFeePerGas) * 2n;
        await mine();
        return "0x";
      },
    }));
    baseFeeWei = undefined;
    expect({ outcomes, verified }).toEqual({ outcomes: ["paid"], verified: [] });
    expect(operations[0]).toHaveLength(2);
    expect(sent).toHaveLength(2);
    expect(sent[1]!.paymasterData).not.toBe(sent[0]!.paymasterData);
    expect(hexToBigInt(sent[1]!.maxFeePerGas) * 10n).toBeGreaterThanOrEqual(
      hexToBigInt(sent[0]!.maxFeePerGas) * 11n,
    );
  });
});

test("the configuration and the policy have to agree that there is one", async () => {
  const [with_, without] = [await sponsoredWorld("agree"), await makeWorld(chain, "alone")];
  expect(() => requireDrivable(with_.policy, {}, { sponsored: true })).not.toThrow();
  expect(() => requireDrivable(with_.policy, {})).toThrow(
    /clauses that this agent makes no use of: paymaster/,
  );
  expect(() => requireDrivable(without.policy, {}, { sponsored: true })).toThrow(/alone allows none/);
});

describe("nothing is signed", () => {
  const refusal = async (world: World) => {
    const error: unknown = await decide(world).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PaymasterError);
    return error as PaymasterError;
  };

  test("while the service refuses, and the decision goes on when it does not any more", async () => {
    const world = await sponsoredWorld("refused");
    service.refuses = true;
    expect(await refusal(world)).toMatchObject({
      retry: "safe",
      shortMessage: expect.stringContaining("sponsor"),
    });
    service.refuses = false;
    expect((await decide(world)).outcomes).toEqual(["paid"]);
  });

  test("for another paymaster than the policy's", async () => {
    const world = await sponsoredWorld("other", "0x00000000000000000000000000000000000Ac3E0");
    expect((await refusal(world)).shortMessage).toContain("a contract that the policy does not allow");
  });

  test("with data that the paymaster's own contract refuses", async () => {
    const world = await sponsoredWorld("forged");
    service.lie = { paymasterData: `0x${"00".repeat(12)}${"01".repeat(65)}` };
    expect((await refusal(world)).shortMessage).toContain("its own contract refuses");
  });

  test("with data that no operation can carry", async () => {
    const world = await sponsoredWorld("odd");
    for (const lie of [
      { paymasterData: `0x${"00".repeat(5000)}` },
      { paymaster: "acme" },
      { paymasterVerificationGasLimit: "0xffffffffff" },
      { paymasterData: 7 },
    ]) {
      service.lie = lie;
      expect((await refusal(world)).shortMessage).toContain("no operation can carry");
    }
  });

  test("for a sponsorship that is over", async () => {
    const world = await sponsoredWorld("late");
    service.validUntil = (await now(world)) - 1;
    expect((await refusal(world)).shortMessage).toContain("whose time is over");
  });
});
