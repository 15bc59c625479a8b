import { concatHex, encodeFunctionData, numberToHex, parseAbi, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import type { Call } from "../../../src/core/operation.ts";
import { compilePolicy } from "../../../src/policy/compile.ts";
import { countCalls } from "../../../src/policy/countCalls.ts";
import { parsePolicy } from "../../../src/policy/parse.ts";
import { agent, editedEverything } from "./documents.ts";
import { account, stranger } from "./operations.ts";

const policy = compilePolicy(
  parsePolicy(
    editedEverything(["functions: [approve, permit]", "functions: [approve, permit, transferFrom]"]),
  ),
  agent,
);
const [usdc, eth] = policy.limits;
const token = usdc!.token.address;
const purse: Address = "0x5555555555555555555555555555555555555555";
const vault: Address = "0x7777777777777777777777777777777777777777";
const abi = parseAbi([
  "function transfer(address to, uint256 amount)",
  "function transferFrom(address from, address to, uint256 amount)",
  "function approve(address spender, uint256 amount)",
  "function increaseAllowance(address spender, uint256 amount)",
  "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
]);
const word = (value: bigint) => numberToHex(value, { size: 32 });
const toToken = (data: Hex, valueWei = 0n): Call => ({ to: token, valueWei, data });
const pay = (functionName: "transfer" | "approve" | "increaseAllowance", units: bigint, to = purse): Call =>
  toToken(encodeFunctionData({ abi, functionName, args: [to, units] }));
const deposit = (assets: bigint, valueWei = 0n): Call => ({
  to: vault,
  valueWei,
  data: concatHex([eth!.calls[0]!.rule.selector, word(assets), word(BigInt(account))]),
});
const count = (...calls: readonly Call[]) => countCalls(policy, calls, account);

describe("countCalls", () => {
  it("adds up what one limit counts, and says what of it others may take later", () => {
    const from = encodeFunctionData({ abi, functionName: "transferFrom", args: [account, purse, 4n] });
    expect(count(pay("transfer", 1n), pay("approve", 2n), toToken(from))).toMatchObject({
      limit: usdc,
      amountUnits: 7n,
      approved: [{ spender: purse, units: 2n }],
      refusals: [],
    });
  });

  it("counts coin where the limit is in coin, with what a rule spends on top", () => {
    const send: Call = { to: purse, valueWei: 5n, data: "0x" };
    expect(count(send, deposit(7n), deposit(7n, 1n))).toMatchObject({
      limit: eth,
      amountUnits: 20n,
      approved: [],
      refusals: [],
    });
  });

  it("takes the limit that refuses the fewest calls, the first of equals", () => {
    const send: Call = { to: purse, valueWei: 5n, data: "0x" };
    expect(count(send, send, pay("transfer", 1n)).limit).toBe(eth);
    expect(count(send, pay("transfer", 1n), pay("transfer", 1n)).limit).toBe(usdc);
    const nothing: Call = { to: stranger, valueWei: 0n, data: "0x12345678" };
    expect(count(nothing).limit).toBe(usdc);
  });

  it.each<readonly [string, Call, string]>([
    [
      "a payee that the policy does not name",
      pay("transfer", 1n, stranger),
      `${stranger} is no payee of the policy.`,
    ],
    [
      "a function that the limit lacks",
      pay("increaseAllowance", 1n),
      "the USDC limit does not allow increaseAllowance.",
    ],
    [
      "somebody else's tokens",
      toToken(encodeFunctionData({ abi, functionName: "transferFrom", args: [stranger, purse, 4n] })),
      "transferFrom is for the account's own tokens only.",
    ],
    [
      "coin beside tokens",
      { ...pay("transfer", 1n), valueWei: 1n },
      "sends native coin, and the USDC limit counts none.",
    ],
    [
      "a call without a rule",
      { to: token, valueWei: 0n, data: "0x12345678" },
      "no rule allows 0x12345678 of",
    ],
  ])("refuses %s", (_, call, said) => {
    const { refusals } = countCalls({ ...policy, limits: [usdc!] }, [pay("transfer", 1n), call], account);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain("Call 2");
    expect(refusals[0]!.replace(/(0x\w+)/g, (hex) => hex.toLowerCase())).toContain(said);
  });

  it.each([0, 1, 16, 17])("says whether one operation can make %d calls", (length) => {
    const { refusals, amountUnits } = count(...Array.from({ length }, () => pay("transfer", 1n)));
    const fits = length === 1 || length === 16;
    expect(refusals).toEqual(fits ? [] : [`${length} calls: one operation makes 1 to 16.`]);
    expect(amountUnits).toBe(BigInt(length));
  });

  it("names the function of a call that no rule allows by its four bytes alone", () => {
    const { refusals } = count({ to: stranger, valueWei: 0n, data: `0x12345678${"0".repeat(64)}` });
    expect(refusals).toEqual([`Call 1: no rule allows 0x12345678 of ${stranger} with these arguments.`]);
  });

  it("refuses arguments that are encoded in another way than the ABI's", () => {
    const { data } = pay("transfer", 0xabcdefn);
    const bare = { ...policy, limits: [usdc!] };
    // The same bytes, written in capitals.
    const upper = `${data.slice(0, 10)}${data.slice(10).toUpperCase()}` as Hex;
    expect(countCalls(bare, [toToken(upper)], account).refusals).toEqual([]);
    expect(countCalls(bare, [toToken(concatHex([data, "0x00"]))], account).refusals).toEqual([
      "Call 1: the data of transfer is encoded in another way than the ABI's.",
    ]);
  });

  it("counts the account's own permit as approved, and refuses that of others", () => {
    const permit = (owner: Address) =>
      toToken(
        encodeFunctionData({
          abi,
          functionName: "permit",
          args: [owner, purse, 9n, 1n, 27, word(1n), word(2n)],
        }),
      );
    expect(count(permit(account))).toMatchObject({
      amountUnits: 9n,
      approved: [{ spender: purse, units: 9n }],
      refusals: [],
    });
    expect(countCalls({ ...policy, limits: [usdc!] }, [permit(stranger)], account).refusals).toEqual([
      "Call 1: permit is for the account's own tokens only.",
    ]);
  });
});
