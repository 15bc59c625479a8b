import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { encodeErrorResult, parseAbi, type Address } from "viem";
import { describe, expect, it } from "vitest";

import { ask, connectChain, type Chain } from "../../../src/chain/connectChain.ts";
import { RpcAnswerError } from "../../../src/chain/errors.ts";

type Answer = { readonly code: number; readonly message: string; readonly data?: string };

/** A node that was sound when it was connected to, and answers everything with an error from then on. */
async function nodeThatAnswers(answer: Answer): Promise<Chain> {
  let connected = false;
  const chain = await connectChain({
    chainId: 31337,
    finality: { depth: 0 },
    rpc: {
      request({ method }) {
        if (connected) return Promise.reject(Object.assign(new Error(answer.message), answer));
        return Promise.resolve(method === "eth_chainId" ? "0x7a69" : "0x60");
      },
    },
  });
  connected = true;
  return chain;
}

const reads: Readonly<Record<string, (chain: Chain) => Promise<unknown>>> = {
  block: ({ client }) => client.getBlock({ blockNumber: 7n }),
  logs: ({ client }) => client.getLogs({ fromBlock: 1n }),
  contract: ({ client }) =>
    client.readContract({
      address: `0x${"11".repeat(20)}`,
      abi: parseAbi(["function frozen() view returns (bool)"]),
      functionName: "frozen",
      blockNumber: 7n,
    }),
};
const told = async (answer: Answer) => {
  const chain = await nodeThatAnswers(answer);
  return Promise.all(
    Object.values(reads).map((read) =>
      ask(chain, () => read(chain)).then(
        () => "an answer",
        (error: unknown) => error,
      ),
    ),
  );
};

describe("a node that says that it can't say", () => {
  it.each<Answer>([
    { code: -32_000, message: "header not found" },
    { code: -32_000, message: "missing trie node 3a1b (path ) state 0x3a1b is not available" },
    { code: -32_000, message: "unknown block" },
    { code: -32_000, message: "historical state 0x12 is not available" },
    { code: -32_001, message: "Resource not found." },
    { code: -32_002, message: "the node is syncing" },
    { code: -32_000, message: "something went wrong, try again later" },
    { code: -32_600, message: "Must be authenticated!" },
    { code: -32_601, message: "the method eth_getLogs does not exist" },
    { code: -32_602, message: "query returned more than 10000 results" },
    { code: -32_097, message: "Your app has exceeded its compute units per second capacity" },
    { code: 429, message: "Too many requests" },
  ])("is asked again: $message", async (answer) => {
    for (const error of await told(answer)) {
      expect(error).toBeInstanceOf(RpcAnswerError);
      expect(error).toMatchObject({ retry: "safe" });
    }
  });
});

describe("a node's verdict", () => {
  it.each<Answer>([
    { code: 3, message: "execution reverted", data: "0x08c379a0" },
    { code: -32_000, message: "execution reverted" },
    { code: -32_000, message: "insufficient funds for gas * price + value" },
    { code: -32_000, message: "nonce too low" },
    { code: -32_000, message: "intrinsic gas too low" },
    { code: 3, message: "execution failed" },
  ])("passes through: $message", async (answer) => {
    for (const error of await told(answer)) {
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(RpcAnswerError);
    }
  });
});

// ERC-3668: what an error of a contract's says is to be fetched from, nobody here fetches.
it("fetches nothing that a stranger's contract names", async () => {
  const heard: (string | undefined)[] = [];
  const server = createServer(({ url }, response) => {
    heard.push(url);
    response.end(JSON.stringify({ data: "0x" }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const contract: Address = `0x${"11".repeat(20)}`;
  const data = encodeErrorResult({
    abi: parseAbi(["error OffchainLookup(address,string[],bytes,bytes4,bytes)"]),
    args: [contract, [`http://127.0.0.1:${port}/{data}`], "0x1234", "0x12345678", "0x"],
  });
  try {
    const chain = await nodeThatAnswers({ code: 3, message: "execution reverted", data });
    await expect(reads["contract"]!(chain)).rejects.toThrow("reverted");
    await expect(chain.client.call({ to: contract, data: "0x" })).rejects.toThrow("reverted");
    expect(heard).toEqual([]);
  } finally {
    server.close();
  }
});
