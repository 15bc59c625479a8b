import { encodeAbiParameters, encodeFunctionData, maxUint256, parseAbi, type Address, type Hex } from "viem";
import { describe, expect, it } from "vitest";

import type { Call } from "../../../src/core/operation.ts";
import { encodeExecution, readExecution } from "../../../src/policy/execution.ts";
import { readPayment } from "../../../src/policy/measureCalls.ts";
import { transferData } from "./operations.ts";

const payee: Address = "0x1111111111111111111111111111111111111111";
const token: Address = "0x2222222222222222222222222222222222222222";
/** In mixed case, as people write it. */
const mixed: Address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const zero = "0x0000000000000000000000000000000000000000";
const denied = { error: "CallNotAllowed", args: [] };
const undecodable = { error: "ERC7579DecodingError", args: [] };

const executeAbi = parseAbi(["function execute(bytes32 mode, bytes content)"]);
/** What viem encodes: the one encoding that the chain reads. */
const execute = (mode: Hex, content: Hex): Hex =>
  encodeFunctionData({ abi: executeAbi, functionName: "execute", args: [mode, content] });
const single: Hex = `0x${"00".repeat(32)}`;
const batch: Hex = `0x01${"00".repeat(31)}`;
const word = (value: bigint | number) => BigInt(value).toString(16).padStart(64, "0");
/** With one byte changed, counted from the selector on. */
const changed = (data: Hex, byte: number, value = "01"): Hex =>
  `0x${data.slice(2, 2 + byte * 2)}${value}${data.slice(4 + byte * 2)}`;

describe("encodeExecution", () => {
  it("writes what viem writes", () => {
    const data = "0xABcdef" as const;
    const one = { to: mixed, valueWei: 7n, data };
    const packed = `${mixed.slice(2).toLowerCase()}${word(7)}abcdef`;
    expect(encodeExecution({ batch: false, calls: [one] })).toBe(execute(single, `0x${packed}`));
    const components = [{ type: "address" }, { type: "uint256" }, { type: "bytes" }] as const;
    const calls: readonly Call[] = [
      one,
      { ...one, to: token, data: `0x${"ee".repeat(32)}` },
      { ...one, data: "0x" },
    ];
    const content = encodeAbiParameters(
      [{ type: "tuple[]", components }],
      [calls.map(({ to, valueWei, data: bytes }) => [to, valueWei, bytes] as const)],
    );
    expect(encodeExecution({ batch: true, calls })).toBe(execute(batch, content.toLowerCase() as Hex));
  });
});

describe("a single call", () => {
  const packed = (data: string): Hex => `0x${payee.slice(2)}${word(7)}${data}`;
  const good = execute(single, packed("abcdef"));
  it("is read with its data, whatever the case", () => {
    const calls = [{ to: payee, valueWei: 7n, data: "0xabcdef" }];
    expect(readExecution(good)).toEqual({ batch: false, calls });
    expect(readExecution(`0x${good.slice(2).toUpperCase()}`)).toEqual({ batch: false, calls });
    expect(readExecution(execute(single, packed("")))).toMatchObject({ calls: [{ data: "0x" }] });
  });
  it.each<readonly [string, Hex]>([
    ["another selector", changed(good, 3)],
    ["another mode", changed(good, 4, "02")],
    ["a mode that may fail", changed(good, 5)],
    ["another offset", changed(good, 67, "60")],
    ["a length that is too long", changed(good, 70)],
    ["a length of another number of words", changed(good, 99, "61")],
    ["a word more", `${good}${"00".repeat(32)}`],
    ["a byte more", `${good}00`],
    ["a byte less", good.slice(0, -2) as Hex],
    ["a head only", good.slice(0, 2 + 99 * 2) as Hex],
    ["a selector only", "0xe9ae5c53"],
    ["nothing", "0x"],
    [
      "a length beyond all numbers",
      execute(single, packed("abcdef")).replace(word(55), word(1n << 255n)) as Hex,
    ],
    ["no room for an address and a value", execute(single, `0x${"11".repeat(51)}`)],
  ])("with %s is refused", (_, data) => expect(readExecution(data)).toEqual(denied));
  it("may have anything in its padding", () => {
    expect(readExecution(`${good.slice(0, -2)}ff` as Hex)).toMatchObject({ batch: false });
  });
});

describe("a batch", () => {
  const call = { to: payee, valueWei: 7n, data: "0xabcdef" as Hex };
  const content = (words: readonly (bigint | number)[]): Hex =>
    execute(batch, `0x${words.map(word).join("")}`);
  const dataWord = BigInt(`0xabcdef${"00".repeat(29)}`);
  const tuple = [BigInt(payee), 7, 96, 3, dataWord];
  const good = [32, 1, 32, ...tuple];

  it("is read in the one encoding that there is", () => {
    expect(readExecution(content(good))).toEqual({ batch: true, calls: [call] });
    expect(readExecution(content([32, 0]))).toEqual({ batch: true, calls: [] });
  });
  it.each<readonly [string, readonly (bigint | number)[]]>([
    ["that does not fit its bytes", [32, 2, 32]],
    ["that begins behind them", [33]],
    ["that begins at 2^255", [1n << 255n, 0]],
    ["of 2^64 calls", [32, 1n << 64n, 32, ...tuple]],
  ])("%s can't be decoded", (_, words) => expect(readExecution(content(words))).toEqual(undecodable));
  it("of less than a word can't be decoded", () => {
    expect(readExecution(execute(batch, "0x"))).toEqual(undecodable);
    expect(readExecution(execute(batch, `0x${"00".repeat(31)}`))).toEqual(undecodable);
    expect(readExecution(content([1]))).toEqual(undecodable);
  });
  it.each<readonly [string, readonly (bigint | number)[]]>([
    ["with an array further on", [64, 0, 1, 32, ...tuple]],
    ["with the array at its own offset", [0]],
    ["whose tuple is cut off", [32, 1, 32, BigInt(payee), 7, 96]],
    ["whose data is longer than everything", [32, 1, 32, BigInt(payee), 7, 96, 1n << 255n, dataWord]],
    ["whose data is cut off", [32, 1, 32, BigInt(payee), 7, 96, 33, dataWord]],
    ["with another offset", [32, 1, 64, ...tuple]],
    ["with data elsewhere", [32, 1, 32, BigInt(payee), 7, 128, 3, dataWord]],
    ["with dirt behind its data", [32, 1, 32, BigInt(payee), 7, 96, 3, dataWord + 1n]],
    ["with dirt above an address", [32, 1, 32, BigInt(payee) + (1n << 160n), 7, 96, 3, dataWord]],
    ["with a word more", [...good, 0]],
  ])("%s is refused", (_, words) => expect(readExecution(content(words))).toEqual(denied));
});

describe("readPayment", () => {
  const native = execute(single, `0x${payee.slice(2)}${word(maxUint256)}`);
  const transfer = transferData(payee, maxUint256).slice(2);
  const good = execute(single, `0x${token.slice(2)}${word(0)}${transfer}`);

  it("reads coin and tokens, whatever the case", () => {
    expect(readPayment(native)).toEqual({ asset: zero, payee, amount: maxUint256 });
    expect(readPayment(good)).toEqual({ asset: token, payee, amount: maxUint256 });
    expect(readPayment(`0x${good.slice(2).toUpperCase()}`)).toEqual({
      asset: token,
      payee,
      amount: maxUint256,
    });
  });
  it.each<readonly [string, Hex]>([
    ["another selector", changed(good, 0)],
    ["a batch's mode", changed(good, 4)],
    ["another offset", changed(good, 67, "41")],
    ["another length", changed(good, 99, "77")],
    ["coin sent along", changed(good, 151)],
    ["the zero address as token", execute(single, `0x${"00".repeat(20)}${word(0)}${transfer}`)],
    ["another function", changed(good, 152)],
    ["dirt above its payee", changed(good, 156)],
    ["dirt in its padding", changed(good, 220)],
    ["dirt at the end of its padding", changed(good, 227)],
    ["a word more", `${good}${"00".repeat(32)}`],
    ["a word less", good.slice(0, -64) as Hex],
    ["coin and dirt behind it", changed(native, 152)],
    ["coin and dirt at its end", changed(native, 163)],
    ["coin and another length", changed(native, 99, "35")],
    ["coin and a byte less", native.slice(0, -2) as Hex],
    ["coin and a word more", `${native}${"00".repeat(32)}`],
    ["coin and the length of a token's", execute(single, `0x${payee.slice(2)}${word(0)}${"00".repeat(100)}`)],
    ["a selector only", "0xe9ae5c53"],
    ["a head without a length", good.slice(0, 2 + 68 * 2) as Hex],
    ["nothing", "0x"],
  ])("refuses %s", (_, data) => expect(readPayment(data)).toEqual(denied));
});
