import {
  encodeFunctionData,
  getCreate2Address,
  keccak256,
  parseAbi,
  toHex,
  zeroHash,
  type Address,
  type Hex,
} from "viem";

import { connectChain } from "../../src/chain/connectChain.ts";
import { create2Deployer, ensureContracts, ensureDeployed, sendTransaction } from "../../src/chain/deploy.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { compileBase } from "./compileBase.ts";
import { annaOf, served } from "./delegateScene.ts";

/** A contract wallet of Anna's (test/contracts/base/Wallet.sol), there or not. */
export async function contractWalletOf(
  name: string,
  deployed: boolean,
): Promise<{
  readonly address: Address;
  readonly deployedBy?: { readonly factory: Address; readonly data: Hex };
}> {
  const chain = await connectChain({ rpc: served.chain, chainId: 31337, finality: { depth: 0 } });
  const initCode = compileBase("Wallet", "WalletFactory");
  const factory = getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode });
  await ensureContracts(chain, localFaucet);
  await ensureDeployed(chain, localFaucet, { address: factory, initCode });
  const args = [annaOf(name).address, keccak256(toHex(name))] as const;
  const address = await chain.client.readContract({
    address: factory,
    abi: factoryAbi,
    functionName: "addressOf",
    args,
  });
  const data = encodeFunctionData({ abi: factoryAbi, functionName: "make", args });
  if (deployed) await sendTransaction(chain, localFaucet, { to: factory, data });
  return { address, ...(deployed ? {} : { deployedBy: { factory, data } }) };
}
const factoryAbi = parseAbi([
  "function make(address key, bytes32 salt) returns (address)",
  "function addressOf(address key, bytes32 salt) view returns (address)",
]);
