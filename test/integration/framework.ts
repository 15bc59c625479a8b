// The real delegation framework (MetaMask's own bytecode), accounts of payers that obey it, and permissions as its wallets give them.
import {
  DelegationManager,
  EIP7702StatelessDeleGator,
  ERC20PeriodTransferEnforcer,
  MockCaveatEnforcer,
  TimestampEnforcer,
  ValueLteEnforcer,
} from "@metamask/delegation-abis";
import * as bytecode from "@metamask/delegation-abis/bytecode";
import {
  encodeAbiParameters,
  encodeDeployData,
  getCreate2Address,
  parseAbiParameters,
  zeroHash,
  type Abi,
  type Address,
  type Hex,
} from "viem";
import type { PrivateKeyAccount } from "viem/accounts";

import type { Chain } from "../../src/chain/connectChain.ts";
import {
  expiryTerms,
  noValueTerms,
  periodTerms,
  rootAuthority,
  type FrameworkDelegation,
} from "../../src/chain/delegationFramework.ts";
import { create2Deployer, ensureDeployed } from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import type { PermissionTerms } from "../../src/policy/permission.ts";
import { localFaucet } from "../../src/testing/localChain.ts";

const deploymentOf = (abi: Abi, code: string, args: readonly unknown[] = []) => {
  const initCode = encodeDeployData({ abi, bytecode: code as Hex, args });
  return {
    initCode,
    address: getCreate2Address({ from: create2Deployer, salt: zeroHash, bytecode: initCode }),
  };
};

const manager = deploymentOf(DelegationManager, bytecode.DelegationManager, [localFaucet.address]);
const period = deploymentOf(ERC20PeriodTransferEnforcer, bytecode.ERC20PeriodTransferEnforcer);
const timestamp = deploymentOf(TimestampEnforcer, bytecode.TimestampEnforcer);
const value = deploymentOf(ValueLteEnforcer, bytecode.ValueLteEnforcer);
/** Counts how often it is asked, and refuses nothing. */
const blind = deploymentOf(MockCaveatEnforcer, bytecode.MockCaveatEnforcer);
const account = deploymentOf(EIP7702StatelessDeleGator, bytecode.EIP7702StatelessDeleGator, [
  manager.address,
  entryPointAddress,
]);

/** Where the framework is on a local chain that has it. */
export const framework = {
  manager: manager.address,
  period: period.address,
  timestamp: timestamp.address,
  value: value.address,
  blind: blind.address,
  account: account.address,
} as const;

export async function deployFramework(chain: Chain): Promise<void> {
  for (const what of [manager, period, timestamp, value, blind, account])
    await ensureDeployed(chain, localFaucet, what);
}

/** Makes a key's account one that obeys the framework (EIP-7702), as its wallet does, or a plain one again. It pays for that itself. */
export async function upgrade(
  { client, chainId }: Chain,
  payer: PrivateKeyAccount,
  contractAddress: Address = framework.account,
): Promise<void> {
  const nonce = await client.getTransactionCount({ address: payer.address });
  const authorization = await payer.signAuthorization({
    contractAddress,
    chainId,
    nonce: nonce + 1,
  });
  const serializedTransaction = await payer.signTransaction({
    type: "eip7702",
    chainId,
    nonce,
    to: payer.address,
    gas: 200_000n,
    maxFeePerGas: 20_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
    authorizationList: [authorization],
  });
  await client.waitForTransactionReceipt({
    hash: await client.sendRawTransaction({ serializedTransaction }),
    pollingInterval: 20,
  });
}

const types = {
  Delegation: [
    { name: "delegate", type: "address" },
    { name: "delegator", type: "address" },
    { name: "authority", type: "bytes32" },
    { name: "caveats", type: "Caveat[]" },
    { name: "salt", type: "uint256" },
  ],
  Caveat: [
    { name: "enforcer", type: "address" },
    { name: "terms", type: "bytes" },
  ],
} as const;

/** The delegation by which a wallet permits it: the caveats that MetaMask writes for erc20-token-periodic, in its order. */
export const delegationFor = (
  terms: Pick<PermissionTerms, "account" | "spender" | "token" | "perPeriod" | "period" | "start" | "expiry">,
  salt = 1n,
): Omit<FrameworkDelegation, "signature"> => ({
  delegate: terms.spender,
  delegator: terms.account,
  authority: rootAuthority,
  caveats: [
    { enforcer: framework.period, terms: periodTerms(terms), args: "0x" },
    { enforcer: framework.value, terms: noValueTerms, args: "0x" },
    { enforcer: framework.timestamp, terms: expiryTerms(terms.expiry), args: "0x" },
  ],
  salt,
});

export const signDelegation = (
  signer: Pick<PrivateKeyAccount, "signTypedData">,
  message: Omit<FrameworkDelegation, "signature">,
  chainId = 31337,
): Promise<Hex> =>
  signer.signTypedData({
    domain: { name: "DelegationManager", version: "1", chainId, verifyingContract: framework.manager },
    types,
    primaryType: "Delegation",
    message,
  });

export const contextOf = (...delegations: readonly FrameworkDelegation[]): Hex =>
  encodeAbiParameters(
    parseAbiParameters([
      "Delegation[] delegations",
      "struct Delegation { address delegate; address delegator; bytes32 authority; Caveat[] caveats; uint256 salt; bytes signature; }",
      "struct Caveat { address enforcer; bytes terms; bytes args; }",
    ]),
    [delegations],
  );
