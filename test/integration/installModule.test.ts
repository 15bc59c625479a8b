import { erc7579Actions } from "permissionless/actions/erc7579";
import { encode7579Calls } from "permissionless/utils";
import {
  concatHex,
  createClient,
  custom,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  keccak256,
  parseAbi,
  toHex,
  type Address,
  type Hex,
} from "viem";
import { toSmartAccount } from "viem/account-abstraction";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, it } from "vitest";

import { entryPointAbi } from "../../src/chain/abi/entryPoint.ts";
import { spendPolicyValidatorAbi } from "../../src/chain/abi/spendPolicyValidator.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import {
  create2Deployer,
  ensureContracts,
  ensureDeployed,
  sendTransaction,
  spendPolicyValidatorDeployment,
} from "../../src/chain/deploy.ts";
import {
  entryPointAddress,
  entryPointVersion,
  fromUserOpJson,
  packUserOp,
  userOpHashOf,
} from "../../src/chain/entryPoint.ts";
import type { UserOpJson } from "../../src/core/operation.ts";
import { localChainId, localFaucet, startLocalChain, type LocalChain } from "../../src/testing/localChain.ts";
import { ozHookedAccountBytecode } from "../accounts/bytecode.ts";

// What docs/contracts.md says about installing the module, with the library it names.

const [root, owner] = ["root", "owner"].map((name) => privateKeyToAccount(keccak256(toHex(name)))) as [
  ReturnType<typeof privateKeyToAccount>,
  ReturnType<typeof privateKeyToAccount>,
];
const module = spendPolicyValidatorDeployment.address;
const accountAbi = parseAbi([
  "constructor(address entryPoint)",
  "function initialize(address root, address module, bytes data)",
]);

let local: LocalChain;
let chain: Chain;
let account: Address;

const make = (initCode: Hex): Promise<Address> =>
  ensureDeployed(chain, localFaucet, {
    address: getCreate2Address({ from: create2Deployer, salt: `0x${"00".repeat(32)}`, bytecode: initCode }),
    initCode,
  });

beforeAll(async () => {
  local = await startLocalChain();
  chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, spendPolicyValidatorDeployment);
  const implementation = await make(
    encodeDeployData({ abi: accountAbi, bytecode: ozHookedAccountBytecode, args: [entryPointAddress] }),
  );
  account = await make(
    concatHex([
      "0x3d602d80600a3d3981f3363d3d373d3d3d363d73",
      implementation,
      "0x5af43d82803e903d91602b57fd5bf3",
    ]),
  );
  await sendTransaction(chain, localFaucet, {
    to: account,
    data: encodeFunctionData({
      abi: accountAbi,
      functionName: "initialize",
      args: [root.address, module, "0x"],
    }),
  });
  await local.request({ method: "hardhat_setBalance", params: [account, toHex(10n ** 20n)] });
});
afterAll(() => local.close());

/** An account as a wallet has it, whose own key signs; and a bundler that includes what it gets. */
async function openWallet() {
  const smartAccount = await toSmartAccount({
    client: chain.client,
    entryPoint: { abi: entryPointAbi, address: entryPointAddress, version: entryPointVersion },
    getAddress: () => Promise.resolve(account),
    getFactoryArgs: () => Promise.resolve({}),
    encodeCalls: (calls) =>
      Promise.resolve(
        encode7579Calls({
          mode: {
            type: calls.length > 1 ? "batchcall" : "call",
            revertOnError: false,
            selector: "0x",
            context: "0x",
          },
          callData: calls,
        }),
      ),
    getNonce: () =>
      chain.client.readContract({
        address: entryPointAddress,
        abi: entryPointAbi,
        functionName: "getNonce",
        args: [account, 99n],
      }),
    getStubSignature: () => Promise.resolve<Hex>(`0x${"11".repeat(65)}`),
    signMessage: () => Promise.reject(new Error("not needed")),
    signTypedData: () => Promise.reject(new Error("not needed")),
    signUserOperation: ({ chainId = localChainId, ...userOperation }) =>
      root.sign({ hash: userOpHashOf(chainId, { ...userOperation, sender: account }) }),
    userOperation: {
      estimateGas: () =>
        Promise.resolve({
          callGasLimit: 500_000n,
          verificationGasLimit: 500_000n,
          preVerificationGas: 50_000n,
        }),
    },
  });
  const bundler = custom({
    async request({ method, params }: { method: string; params: readonly unknown[] }) {
      if (method !== "eth_sendUserOperation") return local.request({ method, params });
      const userOp = fromUserOpJson(params[0] as UserOpJson);
      return sendTransaction(chain, localFaucet, {
        to: entryPointAddress,
        data: encodeFunctionData({
          abi: entryPointAbi,
          functionName: "handleOps",
          args: [[packUserOp(userOp)], localFaucet.address],
        }),
      });
    },
  });
  return createClient({ account: smartAccount, chain: chain.client.chain, transport: bundler }).extend(
    erc7579Actions(),
  );
}

const read = (functionName: "owner" | "epoch" | "isInitialized") =>
  chain.client.readContract({
    address: module,
    abi: spendPolicyValidatorAbi,
    functionName,
    args: [account],
  });

it("installs and uninstalls the module through permissionless", async () => {
  const wallet = await openWallet();
  const fees = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
  const types = ["hook", "validator"] as const;
  await wallet.uninstallModules({
    ...fees,
    modules: types.map((type) => ({ type, address: module, context: "0x" as const })),
  });
  expect(await read("isInitialized")).toBe(false);
  await wallet.installModules({
    ...fees,
    modules: [
      { type: "validator", address: module, context: owner.address },
      { type: "hook", address: module, context: "0x" },
    ],
  });
  expect(await read("isInitialized")).toBe(true);
  expect(await read("owner")).toBe(owner.address);
  expect(await read("epoch")).toBe(2n);
  for (const type of types)
    expect(await wallet.isModuleInstalled({ type, address: module, context: "0x" })).toBe(true);
});
