import { createRequire } from "node:module";
import {
  concatHex,
  encodeFunctionData,
  erc20Abi,
  getCreate2Address,
  pad,
  parseAbi,
  type Address,
  type Hex,
} from "viem";
import { getUserOperationHash, type UserOperation } from "viem/account-abstraction";

import { create2Deployer, ensureDeployed } from "../../src/chain/deploy.ts";
import { entryPointAddress, entryPointVersion } from "../../src/chain/entryPoint.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import { amountOf, fund, gasFields, gasOfOperation, nonceOf, personOf, prepay, type Site } from "./site.ts";

const simpleAccountAbi = parseAbi([
  "function execute(address dest, uint256 value, bytes func)",
  "function createAccount(address owner, uint256 salt) returns (address)",
  "function getAddress(address owner, uint256 salt) view returns (address)",
]);

/** The artifact of the npm package is run as it is; its sources (GPL) are neither imported nor compiled. */
const factoryArtifact = createRequire(import.meta.url)(
  "@account-abstraction/contracts/artifacts/SimpleAccountFactory.json",
) as { readonly bytecode: Hex };

/** What an operation costs that no policy looks at: SimpleAccount 0.8, the yardstick of every other figure. */
export const simpleAccount: Group = {
  names: ["simpleAccount.erc20", "simpleAccount.native"],
  async measure(site) {
    const owner = personOf("simple/owner");
    const initCode = concatHex([factoryArtifact.bytecode, pad(entryPointAddress)]);
    const factory = await ensureDeployed(site.chain, localFaucet, {
      address: getCreate2Address({
        from: create2Deployer,
        salt: `0x${"00".repeat(32)}`,
        bytecode: initCode,
      }),
      initCode,
    });
    const sender = await site.chain.client.readContract({
      address: factory,
      abi: simpleAccountAbi,
      functionName: "getAddress",
      args: [owner.address, 0n],
    });
    await fund(site, sender);
    await prepay(site, sender);

    const gasOfCall = async (to: Address, value: bigint, data: Hex, deploys: boolean) => {
      const unsigned: UserOperation<"0.8"> = {
        sender,
        nonce: await nonceOf(site, sender, 0n),
        callData: encodeFunctionData({
          abi: simpleAccountAbi,
          functionName: "execute",
          args: [to, value, data],
        }),
        ...gasFields,
        ...(deploys && {
          factory,
          factoryData: encodeFunctionData({
            abi: simpleAccountAbi,
            functionName: "createAccount",
            args: [owner.address, 0n],
          }),
        }),
        signature: "0x",
      };
      const hash = getUserOperationHash({
        chainId: site.chain.chainId,
        entryPointAddress,
        entryPointVersion,
        userOperation: unsigned,
      });
      return gasOfOperation(site, { ...unsigned, signature: await owner.sign({ hash }) });
    };
    // The account comes to be in its first operation: since 0.8 its factory obeys the EntryPoint only.
    const erc20 = await medianOf((turn) => gasOfCall(site.token, 0n, transferOf(site, turn), turn === 0));
    const native = await medianOf((turn) => gasOfCall(site.payees[3]!, amountOf(turn), "0x", false));
    return { "simpleAccount.erc20": erc20, "simpleAccount.native": native };
  },
};

const transferOf = ({ payees }: Site, turn: number): Hex =>
  encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [payees[3]!, amountOf(turn)] });
