import { concatHex, encodeFunctionData, numberToHex, type Address, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { entryPointAbi } from "../../../src/chain/abi/entryPoint.ts";
import { ownBundler } from "../../../src/chain/bundler/ownBundler.ts";
import { connectChain, type Chain } from "../../../src/chain/connectChain.ts";
import { sendTransaction } from "../../../src/chain/deploy.ts";
import { entryPointAddress, toUserOpJson } from "../../../src/chain/entryPoint.ts";
import {
  localChainId,
  localFaucet,
  startLocalChain,
  type LocalChain,
} from "../../../src/testing/localChain.ts";

const writer: Address = `0x${"77".repeat(20)}`;
/** return uint256(0): the operation is fine. */
const accepts: Hex = "0x5f5f5260205ff3";

/** A call of `writer` with this value: PUSH0 ×4, PUSH1 value, PUSH20, GAS, CALL, POP. */
const calling = (value: number): Hex =>
  concatHex(["0x5f5f5f5f60", numberToHex(value, { size: 1 }), "0x73", writer, "0x5af150"]);

let local: LocalChain;
let chain: Chain;

beforeAll(async () => {
  local = await startLocalChain();
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  // sstore(0, 1)
  await local.request({ method: "hardhat_setCode", params: [writer, "0x60015f5500"] });
});
afterAll(() => local.close());

let accounts = 0;
/** Puts the code at an address of its own, gives it a deposit, and hands one operation of it to the bundler. */
async function sent(validation: Hex): Promise<string> {
  const sender: Address = `0x${numberToHex(0xbad00 + accounts++, { size: 20 }).slice(2)}`;
  await local.request({ method: "hardhat_setCode", params: [sender, concatHex([validation, accepts])] });
  await local.request({ method: "hardhat_setBalance", params: [sender, numberToHex(10n ** 18n)] });
  await sendTransaction(chain, localFaucet, {
    to: entryPointAddress,
    valueWei: 10n ** 18n,
    data: encodeFunctionData({ abi: entryPointAbi, functionName: "depositTo", args: [sender] }),
  });
  const userOp = toUserOpJson({
    sender,
    nonce: 0n,
    callData: "0x",
    callGasLimit: 50_000n,
    verificationGasLimit: 200_000n,
    preVerificationGas: 50_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
    signature: "0x",
  });
  return ownBundler(chain, { executor: localFaucet })
    .send(userOp)
    .then(
      () => "sent",
      (error: Error) => error.message.split("\n")[0]!,
    );
}

describe("the bundler, on a real EVM", () => {
  it("sends an operation of an account that keeps the rules", async () => {
    expect(await sent("0x")).toBe("sent");
  });

  it.each<readonly [string, Hex, RegExp]>([
    ["reads the time", "0x4250", /OP-011 TIMESTAMP in 0x/],
    ["looks at its own balance", "0x4750", /OP-011 SELFBALANCE in 0x/],
    ["looks at its gas", "0x5a50", /OP-012 GAS outside a call in 0x/],
    ["makes a contract", "0x5f5f5ff050", /OP-011 CREATE in 0x/],
    ["writes to a stranger's storage", calling(0), /STO-021 writes of slot .* in 0x7{40}/],
    ["sends value to a stranger", calling(1), /OP-061 value sent to 0x7{40}/],
    ["reverts", "0x5f5ffd", /reverted without a reason/],
  ])("refuses an operation of an account that %s", async (_, validation, words) => {
    const message = await sent(validation);
    expect(message).toMatch(/^The chain refuses the operation: /);
    expect(message).toMatch(words);
  });
});
