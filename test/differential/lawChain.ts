import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import { concatHex, encodeAbiParameters, encodeFunctionData, toHex, type Address, type Hex } from "viem";

import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { compileHarness, type HarnessCode } from "./compileHarness.ts";

/** One call of the harness to itself, and the words of the account to be told afterwards. */
export type Step = {
  readonly call: Hex;
  readonly account: Address;
  readonly policyId: Hex;
  readonly oldPolicyId: Hex;
  readonly approval: Hex;
  readonly asset: Address;
};

export type StepAnswer = {
  readonly success: boolean;
  /** Head, counters, operations, cap, approval, counters of the old policy. */
  readonly words: readonly bigint[];
  /** What the call returned or reverted with. */
  readonly told: Hex;
};

/** The harness on an EVM in this process. Nothing that `run` does is kept. */
export type LawChain = {
  readonly harness: Address;
  readonly decisionLog: Address;
  /** Time of the block that steps see, unix seconds. */
  setTime(time: bigint): Promise<void>;
  run(steps: readonly Step[], gas?: bigint): Promise<readonly StepAnswer[]>;
  /** Code of the harness as it was deployed. */
  code(): Promise<Hex>;
  /** Puts other code in its place. */
  setCode(code: Hex): Promise<void>;
};

const runAbi = [
  {
    type: "function",
    name: "run",
    stateMutability: "nonpayable",
    inputs: [{ name: "steps", type: "bytes" }],
    outputs: [{ name: "answers", type: "bytes" }],
  },
] as const;

export async function openLawChain(code: HarnessCode = compileHarness()): Promise<LawChain> {
  const environment = await createHardhatRuntimeEnvironment({
    networks: {
      law: {
        type: "edr-simulated",
        chainType: "l1",
        // Later ones cap what one transaction may use, and a run is thousands of operations.
        hardfork: "prague",
        blockGasLimit: 1_000_000_000_000n,
        gas: 30_000_000n,
        allowUnlimitedContractSize: true,
        initialDate: new Date(1_600_000_000_000),
      },
    },
  });
  const { provider } = await environment.network.connect({ network: "law" });
  const from = localFaucet.address;
  async function deploy(data: Hex): Promise<Address> {
    const hash = await provider.request({
      method: "eth_sendTransaction",
      params: [{ from, data, gas: toHex(200_000_000n) }],
    });
    const receipt = (await provider.request({ method: "eth_getTransactionReceipt", params: [hash] })) as {
      status: Hex;
      contractAddress: Address;
    };
    if (receipt.status !== "0x1") throw new Error("A contract of the differential test can't be deployed.");
    return receipt.contractAddress;
  }
  const decisionLog = await deploy(code.decisionLog);
  const harness = await deploy(
    concatHex([
      code.harness,
      encodeAbiParameters([{ type: "address" }, { type: "address" }], [entryPointAddress, decisionLog]),
    ]),
  );
  return {
    harness,
    decisionLog,
    async setTime(time) {
      await provider.request({ method: "evm_setNextBlockTimestamp", params: [toHex(time)] });
      await provider.request({ method: "evm_mine" });
    },
    async run(steps, gas = 900_000_000_000n) {
      const data = encodeFunctionData({
        abi: runAbi,
        functionName: "run",
        args: [`0x${steps.map(packStep).join("")}`],
      });
      const returned = (await provider.request({
        method: "eth_call",
        params: [{ from, to: harness, data, gas: toHex(gas) }, "latest"],
      })) as Hex;
      return unpackAnswers(returned);
    },
    async code() {
      return (await provider.request({ method: "eth_getCode", params: [harness, "latest"] })) as Hex;
    },
    async setCode(changed) {
      await provider.request({ method: "hardhat_setCode", params: [harness, changed] });
    },
  };
}

/** Header and call, as contracts/LawHarness.sol reads them. */
function packStep({ call, account, policyId, oldPolicyId, approval, asset }: Step): string {
  const length = ((call.length - 2) / 2).toString(16).padStart(8, "0");
  return `${[policyId, oldPolicyId, approval, account, asset].map((part) => part.slice(2)).join("")}${length}${call.slice(2)}`;
}

function unpackAnswers(returned: Hex): readonly StepAnswer[] {
  const start = 2 + 64;
  const end = start + 64 + Number.parseInt(returned.slice(start, start + 64), 16) * 2;
  const answers: StepAnswer[] = [];
  for (let at = start + 64; at < end;) {
    const length = Number.parseInt(returned.slice(at, at + 8), 16) * 2;
    const answer = returned.slice(at + 8, at + 8 + length);
    answers.push({
      success: answer.startsWith("01"),
      words: Array.from({ length: 6 }, (_, index) =>
        BigInt(`0x${answer.slice(2 + index * 64, 66 + index * 64)}`),
      ),
      told: `0x${answer.slice(2 + 6 * 64)}`,
    });
    at += 8 + length;
  }
  return answers;
}
