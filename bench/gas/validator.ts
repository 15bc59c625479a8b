import {
  concatHex,
  encodeDeployData,
  encodeFunctionData,
  erc20Abi,
  getCreate2Address,
  hexToBigInt,
  parseAbi,
  sliceHex,
  type Address,
  type Hex,
} from "viem";
import type { UserOperation } from "viem/account-abstraction";

import { spendPolicyValidatorAbi } from "../../src/chain/abi/spendPolicyValidator.ts";
import {
  create2Deployer,
  ensureDeployed,
  sendTransaction,
  spendPolicyValidatorDeployment,
} from "../../src/chain/deploy.ts";
import { entryPointAddress, userOpHashOf } from "../../src/chain/entryPoint.ts";
import { encodeCall, encodeSignature, longestClaimSeconds } from "../../src/chain/signOperation.ts";
import type { CompiledLimit } from "../../src/policy/compile.ts";
import { operationTypes, validatorDomain } from "../../src/policy/grant.ts";
import { payeeProof } from "../../src/policy/payeeTree.ts";
import { localFaucet } from "../../src/testing/localChain.ts";
import { ozAccountBytecode, ozHookedAccountBytecode } from "../../test/accounts/bytecode.ts";
import { compact, limitOf, standardPolicy, type Agent } from "./agent.ts";
import type { Group } from "./groups.ts";
import { medianOf } from "./median.ts";
import {
  amountOf,
  fund,
  gasFields,
  gasOf,
  gasOfOperation,
  nonceOf,
  personOf,
  prepay,
  rootOf,
  type Site,
} from "./site.ts";

const module = spendPolicyValidatorDeployment.address;

const accountAbi = parseAbi([
  "constructor(address entryPoint)",
  "function initialize(address root, address module, bytes data)",
]);

/** Payments under the standard policy through the module, on clones of OpenZeppelin's accounts (test/accounts/). */
export const validator: Group = {
  names: ["validator.erc20.standard", "validator.erc20.standard.hook"],
  async measure(site) {
    const gasOn = async (bytecode: Hex): Promise<number> => {
      const agent = await openAgentOn(site, bytecode);
      const limit = limitOf(agent, "TOKEN");
      const granting = encodeFunctionData({
        abi: spendPolicyValidatorAbi,
        functionName: "grant",
        args: [agent.account, limit.grant],
      });
      await gasOf(site, agent.owner, module, granting);
      return medianOf(async (turn) => gasOfOperation(site, await payment(agent, limit, turn)));
    };
    return {
      "validator.erc20.standard": await gasOn(ozAccountBytecode),
      "validator.erc20.standard.hook": await gasOn(ozHookedAccountBytecode),
    };
  },
};

/** A clone (ERC-1167) of an account, with the module installed and the owner named in it. */
async function openAgentOn(site: Site, bytecode: Hex): Promise<Agent> {
  const [owner, key] = [personOf("owner"), personOf("agent")];
  const implementation = await ensureMade(
    site,
    encodeDeployData({ abi: accountAbi, bytecode, args: [entryPointAddress] }),
  );
  const account = await ensureMade(
    site,
    concatHex([
      "0x3d602d80600a3d3981f3363d3d373d3d3d363d73",
      implementation,
      "0x5af43d82803e903d91602b57fd5bf3",
    ]),
  );
  await sendTransaction(site.chain, localFaucet, {
    to: account,
    data: encodeFunctionData({
      abi: accountAbi,
      functionName: "initialize",
      args: [owner.address, module, owner.address],
    }),
  });
  for (const holder of [account, owner.address]) await fund(site, holder);
  await prepay(site, account);
  return { site, account, owner, key };
}

const ensureMade = ({ chain }: Site, initCode: Hex): Promise<Address> =>
  ensureDeployed(chain, localFaucet, {
    address: getCreate2Address({ from: create2Deployer, salt: `0x${"00".repeat(32)}`, bytecode: initCode }),
    initCode,
  });

/** OpenZeppelin's nonce key: module 20, then the first 4 bytes of the agent. */
const laneOf = (agent: Address): bigint => hexToBigInt(concatHex([module, sliceHex(agent, 0, 4)]));

/** The agent's next payment, as `bench/gas/agent.ts` makes it for our own account. */
async function payment(agent: Agent, limit: CompiledLimit, turn: number): Promise<UserOperation<"0.8">> {
  const { account, key, site } = agent;
  const payee = site.payees[3]!;
  const nonce = await nonceOf(site, account, laneOf(key.address));
  const { timestamp } = await site.chain.client.getBlock();
  const validAfter = Number(timestamp) - 60;
  const treeSize = 1000 + turn + 1;
  const commitment = {
    validAfter,
    validUntil: validAfter + longestClaimSeconds,
    treeSize,
    treeRoot: rootOf(treeSize),
  };
  const unsigned = {
    sender: account,
    nonce,
    callData: encodeCall({
      to: limit.grant.asset,
      valueWei: 0n,
      data: encodeFunctionData({
        abi: erc20Abi,
        functionName: "transfer",
        args: [payee, amountOf(turn)],
      }),
    }),
    ...gasFields,
    signature: "0x" as Hex,
  };
  const signature = await key.signTypedData({
    domain: validatorDomain(site.chain.chainId, module, account),
    types: operationTypes,
    primaryType: "Operation",
    message: {
      userOpHash: userOpHashOf(site.chain.chainId, unsigned),
      policyId: limit.policyId,
      validAfter: BigInt(validAfter),
      validUntil: BigInt(commitment.validUntil),
      size: BigInt(treeSize),
      root: commitment.treeRoot,
    },
  });
  return {
    ...unsigned,
    signature: encodeSignature({
      agent: key.address,
      signature: compact(signature),
      commitment,
      terms: limit.terms,
      payeeProof: payeeProof(standardPolicy(agent, 0).payeeTree, payee)!,
    }),
  };
}
