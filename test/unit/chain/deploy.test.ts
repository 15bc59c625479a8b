import { HttpRequestError, numberToHex, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { expect, it } from "vitest";

import { connectChain, type Chain } from "../../../src/chain/connectChain.ts";
import { awaitTransaction, broadcastTransaction, sendTransaction } from "../../../src/chain/deploy.ts";
import { recordApproval } from "../../../src/chain/recordApproval.ts";
import { BaseError } from "../../../src/core/errors.ts";

const sender = privateKeyToAccount(`0x${"12".repeat(32)}`);
const to: Address = "0x00000000000000000000000000000000000acc0e";
const hash: Hex = `0x${"22".repeat(32)}`;
const block = {
  number: "0x1",
  hash: `0x${"11".repeat(32)}`,
  parentHash: `0x${"10".repeat(32)}`,
  baseFeePerGas: "0x1",
  timestamp: "0x1",
  gasLimit: "0x1c9c380",
  gasUsed: "0x0",
  transactions: [],
};

type Answers = Readonly<Record<string, (params: readonly unknown[]) => unknown>>;

/** A node that takes every transaction and includes none, but for what is told otherwise. */
async function nodeWith(answers: Answers): Promise<Chain> {
  const usual: Answers = {
    eth_chainId: () => numberToHex(31337),
    eth_getCode: () => "0x60",
    eth_getTransactionCount: () => "0x0",
    eth_estimateGas: () => "0x5208",
    eth_maxPriorityFeePerGas: () => "0x1",
    eth_gasPrice: () => "0x1",
    eth_blockNumber: () => "0x1",
    eth_getBlockByNumber: () => block,
    eth_sendRawTransaction: () => hash,
    eth_getTransactionReceipt: () => null,
    eth_getTransactionByHash: () => ({
      hash,
      nonce: "0x0",
      from: sender.address,
      to,
      input: "0x",
      value: "0x0",
    }),
    ...answers,
  };
  return connectChain({
    rpc: {
      request({ method, params }) {
        const answer = usual[method];
        if (!answer) return Promise.reject(new Error(`unexpected ${method}`));
        return Promise.resolve().then(() => answer((params ?? []) as readonly unknown[]));
      },
    },
    chainId: 31337,
    finality: { depth: 0 },
  });
}

const says = (code: number, message: string) => () => {
  throw Object.assign(new Error(message), { code });
};
const isAway = () => {
  throw new HttpRequestError({ url: "http://127.0.0.1" });
};
const thrownBy = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "nothing",
    (error: unknown) => error,
  );

it.each([
  ["is away while it is asked for the fees", { eth_estimateGas: isAway }, "RpcUnreachableError"],
  ["is away while the transaction is sent", { eth_sendRawTransaction: isAway }, "RpcUnreachableError"],
  ["is away while the receipt is asked for", { eth_getTransactionReceipt: isAway }, "RpcUnreachableError"],
  ["lags", { eth_sendRawTransaction: says(-32_000, "header not found") }, "RpcAnswerError"],
  ["knows the nonce", { eth_sendRawTransaction: says(-32_000, "nonce too low") }, "TransactionError"],
  [
    "runs out of gas without a reason",
    { eth_estimateGas: says(-32_000, "gas required exceeds allowance (50000000)") },
    "TransactionError",
  ],
  [
    "says that there is too little coin",
    { eth_sendRawTransaction: says(-32_000, "Sender doesn't have enough funds to send tx.") },
    "BaseError",
  ],
] as const)("a transaction may be sent again where the node %s", async (_, answers, name) => {
  const error = await thrownBy(sendTransaction(await nodeWith(answers), sender, { to }));
  expect(error).toBeInstanceOf(BaseError);
  expect(error).toMatchObject({ name, retry: "safe" });
});

it("is told in the node's own words why it takes no transaction", async () => {
  const chain = await nodeWith({ eth_sendRawTransaction: says(-32_000, "nonce too low") });
  const error = await thrownBy(broadcastTransaction(chain, sender, { to }));
  expect(error).toMatchObject({ facts: { sender: sender.address, detail: "nonce too low" } });
});

it("a transaction that no block has in time may be sent again", async () => {
  const error = await thrownBy(awaitTransaction(await nodeWith({}), hash, 100));
  expect(error).toMatchObject({ name: "TransactionError", retry: "safe", facts: { transaction: hash } });
});

it("a transaction whose nonce another one took is not taken for included", async () => {
  const other: Hex = `0x${"33".repeat(32)}`;
  const made = { nonce: "0x0", from: sender.address, to, input: "0x", value: "0x0" };
  const chain = await nodeWith({
    eth_getBlockByNumber: () => ({ ...block, transactions: [{ ...made, hash: other, value: "0x1" }] }),
    eth_getTransactionReceipt: ([which]) =>
      which === other
        ? { transactionHash: other, blockNumber: "0x1", blockHash: block.hash, status: "0x1", logs: [] }
        : null,
  });
  const error = await thrownBy(awaitTransaction(chain, hash, 5000));
  expect(error).toMatchObject({ name: "TransactionError", retry: "safe", facts: { transaction: hash } });
  expect((error as Error).message).toContain("Another transaction took its nonce");
});

it("what is wrong with the caller's own words is no fault of the node", async () => {
  const onFee = () => {
    throw new BaseError("It is too dear.");
  };
  const error = await thrownBy(broadcastTransaction(await nodeWith({}), sender, { to, onFee }));
  expect(error).toMatchObject({ message: "It is too dear.", retry: "never" });
});

const approval = {
  chainId: 31337,
  account: to,
  approver: "0x00000000000000000000000000000000000a11ce",
  policyId: `0x${"01".repeat(32)}`,
  callHash: `0x${"ca".repeat(32)}`,
  nonce: 1n,
  deadline: 2n,
} as const;
/** An account's answer to `approvalState`: none, or recorded. */
const recordIs = (state: number) => ({ eth_call: () => numberToHex(state, { size: 32 }) });

it("a contract's yes is put on record once, also where nobody heard that it was", async () => {
  let sent = 0;
  const chain = await nodeWith({ ...recordIs(1), eth_sendRawTransaction: () => `0x${++sent}` });
  expect(await recordApproval(chain, sender, approval, "0x51")).toBe(true);
  expect(sent).toBe(0);
});

it("a contract's yes is not sent again while the first transaction may still be included", async () => {
  let sent = 0;
  const chain = await nodeWith({
    ...recordIs(0),
    eth_getTransactionCount: ([, tag]) => (tag === "pending" ? numberToHex(++sent) : "0x0"),
  });
  const error = await thrownBy(recordApproval(chain, sender, approval, "0x51"));
  expect(error).toMatchObject({ name: "TransactionError", retry: "safe" });
  expect(sent).toBe(1);
});
