import { keccak256, pad, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import {
  checkValidation,
  codeReached,
  validationFrame,
  type ValidationFrame,
} from "../../../src/chain/bundler/erc7562.ts";
import { entryPointAddress as entryPoint } from "../../../src/chain/entryPoint.ts";

const sender: Address = "0x359e534d4C79745c3c0A0BC80d80cfAe9e82699e";
const account = sender.toLowerCase();
const other = `0x${"77".repeat(20)}`;

const call = (part: Partial<ValidationFrame>): ValidationFrame => ({
  type: "CALL",
  to: other,
  input: "0x",
  ...part,
});
const frame = (part: Partial<ValidationFrame>) => call({ to: account, input: "0x19822f7c00", ...part });
const trace = (validation: Partial<ValidationFrame>, root: Partial<ValidationFrame> = {}) =>
  call({ to: entryPoint.toLowerCase(), input: "0x765e827f", calls: [frame(validation)], ...root });
const rules = (of: ValidationFrame, codeless: readonly string[] = []) =>
  checkValidation(of, { entryPoint, sender, codeless: new Set(codeless) }).map(
    ({ rule, words }) => `${rule} ${words}`,
  );

describe("checkValidation", () => {
  it("passes an account that keeps to its own storage and calls with its own gas", () => {
    const own = frame({
      usedOpcodes: { "0x54": 2, "0x5a": 1, "0xf1": 1 },
      accessedSlots: { reads: { "0x0": [] }, writes: { "0x99": 1 }, transientWrites: { "0x1": 1 } },
      calls: [call({ usedOpcodes: { "0xa4": 1 } })],
    });
    expect(rules(trace(own))).toEqual([]);
  });

  it.each(
    Object.entries({
      "0x31": "BALANCE",
      "0x32": "ORIGIN",
      "0x3a": "GASPRICE",
      "0x40": "BLOCKHASH",
      "0x41": "COINBASE",
      "0x42": "TIMESTAMP",
      "0x43": "NUMBER",
      "0x44": "PREVRANDAO",
      "0x45": "GASLIMIT",
      "0x47": "SELFBALANCE",
      "0x48": "BASEFEE",
      "0x49": "BLOBHASH",
      "0x4a": "BLOBBASEFEE",
      "0xf0": "CREATE",
      "0xf5": "CREATE2",
      "0xfe": "INVALID",
      "0xff": "SELFDESTRUCT",
    }),
  )("refuses %s, which is %s, in the account and in what it calls", (opcode, name) => {
    expect(rules(trace({ usedOpcodes: { [opcode]: 1 } }))).toEqual([`OP-011 ${name} in ${account}`]);
    const below = call({
      type: "DELEGATECALL",
      calls: [call({ type: "STATICCALL", usedOpcodes: { [opcode]: 2 } })],
    });
    expect(rules(trace({ calls: [below] }))).toEqual([`OP-011 ${name} in ${other}`]);
  });

  it("refuses gas that is looked at, and gas that runs out", () => {
    expect(rules(trace({ usedOpcodes: { "0x5a": 2, "0xfa": 1 } }))).toEqual([
      `OP-012 GAS outside a call in ${account}`,
    ]);
    expect(rules(trace({ outOfGas: true }))).toEqual([`OP-020 out of gas in ${account}`]);
  });

  it("refuses what has no code, called or looked at, but the account that is being made", () => {
    const nobody = `0x${"b0".repeat(20)}`;
    const refusal = `OP-041 access to ${nobody}, which has no code`;
    for (const type of ["CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"]) {
      const calls = [call({ type, to: nobody })];
      expect(rules(trace({ calls }), [nobody])).toEqual([refusal]);
      expect(rules(trace({ calls }))).toEqual([]);
    }
    expect(rules(trace({ calls: [call({ extCodeAccessInfo: [nobody] })] }), [nobody])).toEqual([refusal]);
    expect(rules(trace({ extCodeAccessInfo: [account] }), [account])).toEqual([]);
    expect(
      codeReached(trace({ extCodeAccessInfo: [nobody], calls: [call({}), call({ to: nobody })] }), {
        entryPoint,
        sender,
      }),
    ).toEqual(new Set([nobody, other]));
  });

  it("refuses precompiled contracts but the first nine and P-256, and asks nobody for their code", () => {
    const precompiled = (number: number) => `0x${number.toString(16).padStart(40, "0")}`;
    const called = (number: number) =>
      trace({ calls: [call({ type: "STATICCALL", to: precompiled(number) })] });
    for (const number of [1, 9, 0x100]) expect(rules(called(number))).toEqual([]);
    for (const number of [10, 0x11, 0xff, 0x101, 0xffff])
      expect(rules(called(number))).toEqual([
        `OP-062 call of the precompiled contract ${precompiled(number)}`,
      ]);
    expect(codeReached(called(1), { entryPoint, sender })).toEqual(new Set());
    expect(rules(called(0x10000), [precompiled(0x10000)])).toEqual([
      `OP-041 access to ${precompiled(0x10000)}, which has no code`,
    ]);
  });

  it("refuses value to anybody but the EntryPoint, and calls of the EntryPoint but the deposit", () => {
    expect(rules(trace({ calls: [call({ value: "0x1" })] }))).toEqual([`OP-061 value sent to ${other}`]);
    const toEntryPoint = (input: string) => call({ to: entryPoint.toLowerCase(), input, value: "0x1" });
    expect(rules(trace({ calls: [toEntryPoint("0x")] }))).toEqual([]);
    expect(rules(trace({ calls: [toEntryPoint(`0xb760faf9${"0".repeat(64)}`)] }))).toEqual([]);
    expect(rules(trace({ calls: [toEntryPoint(`0x70a08231${"0".repeat(64)}`)] }))).toEqual([
      "OP-053 call of EntryPoint method 0x70a08231",
    ]);
  });

  it.each(["reads", "writes", "transientReads", "transientWrites"] as const)(
    "refuses %s in a stranger's storage",
    (kind) => {
      const calls = [call({ accessedSlots: { [kind]: { "0x5": 1 } } })];
      expect(rules(trace({ calls }))).toEqual([
        `STO-021 ${kind} of slot 0x5 in ${other}, which is not associated with the sender`,
      ]);
    },
  );

  it("counts storage that delegated code touches as its caller's", () => {
    const accessedSlots = { writes: { "0x5": 1 } };
    expect(rules(trace({ calls: [call({ type: "DELEGATECALL", accessedSlots })] }))).toEqual([]);
    const library = call({ to: `0x${"88".repeat(20)}`, type: "DELEGATECALL", accessedSlots });
    expect(rules(trace({ calls: [call({ calls: [library] })] }))).toEqual([
      `STO-021 writes of slot 0x5 in ${other}, which is not associated with the sender`,
    ]);
  });

  it("passes slots of a stranger that belong to the sender, up to 128 after their hash", () => {
    const preimage = `${pad(account as Hex)}${"00".repeat(31)}07` as Hex;
    const slot = BigInt(keccak256(preimage));
    const reading = (at: bigint, keccak: readonly Hex[]) =>
      rules(
        trace({ calls: [call({ accessedSlots: { reads: { [`0x${at.toString(16)}`]: [] } } })] }, { keccak }),
      );
    expect(reading(slot, [preimage])).toEqual([]);
    expect(reading(slot + 128n, [preimage])).toEqual([]);
    expect(reading(slot + 129n, [preimage])).toHaveLength(1);
    expect(reading(slot - 1n, [preimage])).toHaveLength(1);
    expect(reading(slot, [])).toHaveLength(1);
    expect(reading(BigInt(account), [])).toEqual([]);
    const strangers = `${pad(other as Hex)}${"00".repeat(31)}07` as Hex;
    expect(reading(BigInt(keccak256(strangers)), [strangers])).toHaveLength(1);
  });

  it("says so when the EntryPoint did not ask the sender at all", () => {
    expect(rules(call({}))).toEqual(["ERC-4337 The EntryPoint did not call validateUserOp of the sender."]);
    expect(validationFrame(call({ calls: [frame({ input: "0x12345678" })] }), sender)).toBeUndefined();
  });
});
