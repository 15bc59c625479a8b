import { describe, expect, it } from "vitest";

import type { Bundler } from "../../../src/chain/bundler/bundler.ts";
import { bundlerLadder } from "../../../src/chain/bundler/bundlerLadder.ts";
import { BundlerError, ChainRefusalError, RpcUnreachableError } from "../../../src/chain/errors.ts";
import type { UserOpJson } from "../../../src/core/operation.ts";

const deaf = (name: string) => new BundlerError(name, "does not answer", new Error("none"));
const refusal = (code: string) => new ChainRefusalError({ code, error: code, words: "no" });
const userOp = { nonce: "0x1" } as unknown as UserOpJson;

/** Notes what it is asked, and answers by `answer`; throws what is an error. */
function bundler(name: string, asked: string[], answer: () => unknown = () => name): Bundler {
  const ask = (what: string) => async () => {
    asked.push(`${name} ${what}`);
    const said = answer();
    if (said instanceof Error) throw said;
    return said as never;
  };
  return { name, gasPrice: ask("price"), estimateGas: ask("gas"), send: ask("send") };
}

describe("bundlerLadder", () => {
  it("is the bundler itself where there is one", () => {
    const only = bundler("only", []);
    expect(bundlerLadder([only])).toBe(only);
  });

  it("asks the first, and the next only where that one refuses or does not answer", async () => {
    const asked: string[] = [];
    const silent = bundlerLadder([bundler("a", asked, () => deaf("a")), bundler("b", asked)]);
    expect(await silent.gasPrice()).toBe("b");
    const refusing = bundlerLadder([bundler("a", asked, () => refusal("AA24")), bundler("b", asked)]);
    expect(await refusing.estimateGas({} as never)).toBe("b");
    const taking = bundlerLadder([bundler("a", asked), bundler("b", asked)]);
    expect(await taking.send(userOp)).toBe("a");
    expect(asked).toEqual(["a price", "b price", "a gas", "b gas", "a send"]);
    expect(taking.name).toBe("a, then b");
  });

  it.each([
    ["the chain's refusal, whoever tells it", [deaf("a"), refusal("AA24")], { refusal: { code: "AA24" } }],
    ["the first refusal of two", [refusal("AA21"), refusal("AA24")], { refusal: { code: "AA21" } }],
    ["the first error of two", [deaf("a"), deaf("b")], { facts: { detail: "none" }, message: /bundler a/ }],
  ] as const)("throws %s", async (_, [one, other], error) => {
    const ladder = bundlerLadder([bundler("a", [], () => one), bundler("b", [], () => other)]);
    const { message, ...rest } = { message: /./, ...error };
    await expect(ladder.send(userOp)).rejects.toMatchObject(rest);
    await expect(ladder.send(userOp)).rejects.toThrow(message);
  });

  it("asks nobody else when it is our own node that fails", async () => {
    const asked: string[] = [];
    const down = new RpcUnreachableError("http://127.0.0.1", new Error("down"));
    await expect(
      bundlerLadder([bundler("a", asked, () => down), bundler("b", asked)]).send(userOp),
    ).rejects.toBe(down);
    expect(asked).toEqual(["a send"]);
  });

  it("gives the bytes to the next one first, when eight attempts came to nothing, and round again", async () => {
    const asked: string[] = [];
    const ladder = bundlerLadder([bundler("a", asked), bundler("b", asked), bundler("c", asked)]);
    for (let attempt = 0; attempt < 26; attempt++) await ladder.send(userOp, attempt);
    expect(asked.map(([name]) => name).join("")).toBe(`${"a".repeat(8)}${"b".repeat(8)}${"c".repeat(8)}aa`);
    await bundlerLadder([bundler("a", asked), bundler("b", asked, () => deaf("b"))]).send(userOp, 8);
    expect(asked.slice(-2)).toEqual(["b send", "a send"]);
  });
});
