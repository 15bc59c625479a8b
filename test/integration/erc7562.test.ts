import {
  encodeFunctionData,
  getAddress,
  keccak256,
  toFunctionSelector,
  toHex,
  zeroAddress,
  type Address,
} from "viem";
import { describe, expect, it } from "vitest";
import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { agentAccountFactoryAbi } from "../../src/chain/abi/agentAccountFactory.ts";
import { checkTrace } from "../../src/chain/bundler/checkTrace.ts";
import { checkValidation, validationFrame, type ValidationFrame } from "../../src/chain/bundler/erc7562.ts";
import { agentAccountFactoryDeployment, sendTransaction } from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { plainExtras, policyIdOf } from "../../src/policy/grant.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import {
  local,
  chain,
  account,
  grant,
  plain,
  operation,
  ruled,
  installOf,
  approvalOf,
  ruledOperation,
  ownerDoes,
  paidBy,
  handleOps,
  traced,
  rulesOf,
  owner,
} from "./erc7562Scene.ts";

let ruledSalt = 500;

describe("checkValidation on real traces", () => {
  it.each([
    ["steady", 1],
    ["grant-inside", 2],
    ["empty", 3],
  ] as const)("finds nothing in a %s operation, which the chain then takes", async (_, kind) => {
    const terms = grant(BigInt(kind));
    if (kind !== 2)
      await sendTransaction(chain, owner, {
        to: account,
        data: encodeFunctionData({ abi: agentAccountAbi, functionName: "grant", args: [terms] }),
      });
    const snapshot = await local.request({ method: "evm_snapshot" });
    const userOp = await operation(kind, terms);
    const trace = await traced(userOp);
    expect(validationFrame(trace, account)?.error).toBeUndefined();
    expect(trace.error).toBeUndefined();
    const parties = { entryPoint: entryPointAddress, sender: account };
    expect(await checkTrace(chain, trace, parties)).toEqual([]);
    await sendTransaction(chain, localFaucet, { to: entryPointAddress, data: handleOps(userOp) });
    await local.request({ method: "evm_revert", params: [snapshot] });
  });

  it.each(["batch with a rule", "approval", "grant inside", "operations", "cap", "heartbeat"] as const)(
    "finds nothing in a kind 4 operation (%s), which the chain then takes",
    async (what) => {
      const snapshot = await local.request({ method: "evm_snapshot" });
      const inside = what === "grant inside";
      const { calls, limit, proofs } = ruled(BigInt(ruledSalt++));
      if (!inside) await ownerDoes("grant", [limit.grant]);
      if (what === "cap") await ownerDoes("setCap", [zeroAddress, 1000n, 14_400n]);
      await ownerDoes("heartbeat", []);
      const paid = await paidBy(
        await ruledOperation(account, limit, calls, proofs, {
          ...(what === "approval" ? { approval: await approvalOf(account, limit, calls) } : {}),
          ...(inside ? { ownerSignature: await installOf(account, limit.grant) } : {}),
        }),
      );
      expect(paid).toBe(2n);
      await local.request({ method: "evm_revert", params: [snapshot] });
    },
  );

  it.each([
    ["plain", 2],
    ["full", 4],
  ] as const)(
    "finds nothing when one operation makes the account, brings a %s grant and pays",
    async (what, kind) => {
      const args = [owner.address, BigInt(kind)] as const;
      const factory = agentAccountFactoryDeployment.address;
      const made = await chain.client.readContract({
        address: factory,
        abi: agentAccountFactoryAbi,
        functionName: "getAddress",
        args,
      });
      await local.request({ method: "hardhat_setBalance", params: [made, toHex(10n ** 20n)] });
      const full = ruled(BigInt(900 + kind));
      // The owner of an account to be was never heard of.
      const extras = what === "full" ? { ...full.limit.grant.extras, heartbeat: 0n } : plainExtras;
      const terms = { ...full.limit.grant, extras };
      const limit = { ...full.limit, grant: terms, policyId: policyIdOf(terms) };
      const count = what === "full" ? 2 : 1;
      const userOp = await ruledOperation(
        made,
        limit,
        full.calls.slice(0, count),
        full.proofs.slice(0, count),
        {
          ownerSignature: await installOf(made, terms),
          deployment: {
            factory,
            factoryData: encodeFunctionData({
              abi: agentAccountFactoryAbi,
              functionName: "createAccount",
              args,
            }),
          },
        },
      );
      expect(userOp.signature.slice(0, 4)).toBe(`0x0${kind}`);
      expect(await paidBy(userOp)).toBe(2n);
    },
  );

  it("tells a factory that a second contract is one too many", () => {
    const trace: ValidationFrame = {
      type: "CALL",
      to: entryPointAddress.toLowerCase(),
      input: "0x",
      calls: [
        { type: "CALL", to: "0xfa", input: "0x", usedOpcodes: { "0xf5": 2 } },
        { type: "CALL", to: account.toLowerCase(), input: "0x19822f7c" },
      ],
    };
    const parties = { entryPoint: entryPointAddress, sender: account, factory: "0xfa" } as const;
    expect(checkValidation(trace, { ...parties, codeless: new Set() })).toMatchObject([{ rule: "OP-011" }]);
  });

  // Accounts of a few bytes each, whose validateUserOp agrees to everything after it did one thing.
  const store = getAddress(`0x${"57".repeat(20)}`);
  const nobody = getAddress(`0x${"b0".repeat(20)}`);
  const precompiled = (number: string) => getAddress(`0x${"00".repeat(19)}${number}`);
  const selector = toFunctionSelector("function getNonce(address,uint192)").slice(2);
  const callOf = (to: Address, value: 0 | 1) => `5f5f5f5f60${value ? "01" : "00"}73${to.slice(2)}5af150`;
  it.each([
    ["does nothing else", "", []],
    ["reads the time", "4250", ["OP-011"]],
    ["reads its balance", "4750", ["OP-011"]],
    ["reads the price of gas", "3a50", ["OP-011"]],
    ["makes a contract", "5f5f5ff050", ["OP-011"]],
    ["looks at the gas left", "5a50", ["OP-012"]],
    ["reads a slot of somebody else", callOf(store, 0), ["STO-021"]],
    ["recovers a key", callOf(precompiled("01"), 0), []],
    ["calls a precompiled contract that not every chain has", callOf(precompiled("0b"), 0), ["OP-062"]],
    ["calls an address without code", callOf(nobody, 0), ["OP-041"]],
    ["looks at the code of an address without any", `73${nobody.slice(2)}3f50`, ["OP-041"]],
    ["asks for the size of such code", `73${nobody.slice(2)}3b50`, ["OP-041"]],
    ["looks at the code of a contract", `73${store.slice(2)}3b50`, []],
    ["sends money to somebody else", callOf(store, 1), ["OP-061", "STO-021"]],
    [
      "asks the EntryPoint",
      `63${selector}60e01b5f525f5f60445f5f73${entryPointAddress.slice(2)}5af150`,
      ["OP-053"],
    ],
  ] as const)("judges an account that %s", async (_, code, rules) => {
    const bad = getAddress(`0x${keccak256(toHex(code)).slice(26)}`);
    const agree = "5f5f5260205ff3";
    await local.request({ method: "hardhat_setCode", params: [store, "0x5f545f5260205ff3"] });
    await local.request({ method: "hardhat_setCode", params: [bad, `0x${code}${agree}`] });
    await local.request({ method: "hardhat_setBalance", params: [bad, toHex(10n ** 20n)] });
    expect([...new Set(await rulesOf(plain(bad, { maxFeePerGas: 0n })))].toSorted()).toEqual(rules);
  });
});
