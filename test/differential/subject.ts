import {
  decodeErrorResult,
  encodeFunctionData,
  erc20Abi,
  keccak256,
  toHex,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";

import { agentAccountAbi } from "../../src/chain/abi/agentAccount.ts";
import { connectChain, type Chain } from "../../src/chain/connectChain.ts";
import { revertDataOf } from "../../src/chain/decodeRefusal.ts";
import { ensureAccount, ensureContracts } from "../../src/chain/deploy.ts";
import { entryPointAddress, packUserOp, userOpHashOf, type PlainUserOp } from "../../src/chain/entryPoint.ts";
import { encodeCall, encodeSignature, laneOf, signCommitment } from "../../src/chain/signOperation.ts";
import { payeeProof, type PayeeTree } from "../../src/policy/payeeTree.ts";
import type { Payment } from "../../src/policy/resolve.ts";
import type { Claim } from "../../src/policy/usage.ts";
import { localChainId, localFaucet, startLocalChain } from "../../src/testing/localChain.ts";

/** What the account says to one operation. */
export type Answer =
  | {
      readonly kind: "passes";
      readonly validAfter: bigint;
      readonly validUntil: bigint;
      readonly signed: boolean;
    }
  | { readonly kind: "refuses"; readonly error: string; readonly args: readonly bigint[] };

export type Operation = {
  readonly payment: Payment;
  readonly payeeTree: PayeeTree;
  readonly claim: Claim;
  readonly feeWei: bigint;
  readonly treeSize: number;
};

/** The real AgentAccount on a real EVM, spoken to as the EntryPoint and the owner speak to it. */
export type Subject = {
  readonly agent: PrivateKeyAccount;
  readonly chain: Chain;
  readonly account: Address;
  /** A transaction of the owner; its success is checked. */
  own(data: Hex): Promise<void>;
  read<T>(data: Hex, decode: (data: Hex) => T): Promise<T>;
  /** Asks without changing anything, then, if the account agrees, lets it happen. */
  validate(operation: Operation): Promise<Answer>;
  close(): Promise<void>;
};

const root: Hex = keccak256(toHex("tree"));

export async function openSubject(): Promise<Subject> {
  const local = await startLocalChain();
  const chain = await connectChain({ rpc: local, chainId: localChainId, finality: { depth: 0 } });
  await ensureContracts(chain, localFaucet);
  const [owner, agent] = ["owner", "agent"].map((name) => privateKeyToAccount(keccak256(toHex(name)))) as [
    PrivateKeyAccount,
    PrivateKeyAccount,
  ];
  const account = await ensureAccount(chain, localFaucet, owner.address, 0n);
  for (const address of [owner.address, entryPointAddress]) {
    await local.request({ method: "hardhat_impersonateAccount", params: [address] });
    await local.request({ method: "hardhat_setBalance", params: [address, toHex(10n ** 22n)] });
  }
  const transaction = (from: Address, data: Hex) => ({ from, to: account, data, gas: toHex(2_000_000n) });
  const call = (from: Address, data: Hex) =>
    local.request({ method: "eth_call", params: [transaction(from, data), "latest"] }) as Promise<Hex>;
  async function send(from: Address, data: Hex): Promise<void> {
    const hash = await local.request({ method: "eth_sendTransaction", params: [transaction(from, data)] });
    const receipt = (await local.request({ method: "eth_getTransactionReceipt", params: [hash] })) as {
      status: Hex;
    };
    if (receipt.status !== "0x1") throw new Error("A transaction that has to succeed reverted.");
  }

  async function signed({ payment, payeeTree, claim, feeWei, treeSize }: Operation) {
    const { limit, to, amountUnits } = payment;
    const native = limit.grant.asset === zeroAddress;
    const draft: PlainUserOp = {
      sender: account,
      nonce: laneOf(agent.address) << 64n,
      callData: encodeCall(
        native
          ? { to, valueWei: amountUnits, data: "0x" }
          : {
              to: limit.grant.asset,
              valueWei: 0n,
              data: encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, amountUnits] }),
            },
      ),
      callGasLimit: 0n,
      verificationGasLimit: 0n,
      // The required prefund is gas × price: with a price of one wei it is any number we like.
      preVerificationGas: feeWei,
      maxFeePerGas: 1n,
      maxPriorityFeePerGas: 1n,
      signature: "0x",
    };
    const userOpHash = userOpHashOf(localChainId, draft);
    const commitment = {
      validAfter: Number(claim.validAfter),
      validUntil: Number(claim.validUntil),
      treeSize,
      treeRoot: root,
    };
    const { policyId, terms } = limit;
    const input = { chainId: localChainId, account, signer: agent, userOpHash, policyId, commitment };
    const signature = encodeSignature({
      agent: agent.address,
      signature: await signCommitment(input),
      commitment,
      terms,
      payeeProof: payeeProof(payeeTree, to)!,
    });
    return encodeFunctionData({
      abi: agentAccountAbi,
      functionName: "validateUserOp",
      args: [packUserOp({ ...draft, signature }), userOpHash, 0n],
    });
  }

  return {
    agent,
    chain,
    account,
    own: (data) => send(owner.address, data),
    read: async (data, decode) => decode(await call(owner.address, data)),
    async validate(operation) {
      const data = await signed(operation);
      let returned: bigint;
      try {
        returned = BigInt(await call(entryPointAddress, data));
      } catch (error) {
        const revert = revertDataOf(error);
        if (!revert) throw error;
        const { errorName, args } = decodeErrorResult({ abi: agentAccountAbi, data: revert });
        return {
          kind: "refuses",
          error: errorName,
          args: (args ?? []).filter((arg): arg is bigint => typeof arg === "bigint"),
        };
      }
      await send(entryPointAddress, data);
      return {
        kind: "passes",
        validAfter: returned >> 208n,
        validUntil: (returned >> 160n) & 0xffffffffffffn,
        signed: (returned & ((1n << 160n) - 1n)) === 0n,
      };
    },
    close: () => local.close(),
  };
}
