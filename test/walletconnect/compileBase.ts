import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import type { Hex } from "viem";

type Solc = {
  compile(
    input: string,
    callbacks: { import(name: string): { readonly contents: string } | { readonly error: string } },
  ): string;
};
type Output = {
  readonly contracts: Readonly<
    Record<
      string,
      Readonly<Record<string, { readonly evm: { readonly bytecode: { readonly object: string } } }>>
    >
  >;
};

const require = createRequire(import.meta.url);

/**
 * Creation code of a contract that the Solidity tests use (test/contracts/base/), compiled here: a second or two.
 *
 * @param file name without its ending, of which the contract may be a part
 */
export function compileBase(file: string, contract = file): Hex {
  const solc = require("solc") as Solc;
  const name = `${file}.sol`;
  const content = readFileSync(path.join(import.meta.dirname, "../contracts/base", name), "utf8");
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: "Solidity",
        sources: { [name]: { content } },
        settings: { evmVersion: "cancun", outputSelection: { "*": { "*": ["evm.bytecode.object"] } } },
      }),
      { import: (imported) => ({ contents: readFileSync(require.resolve(imported), "utf8") }) },
    ),
  ) as Output;
  return `0x${output.contracts[name]![contract]!.evm.bytecode.object}`;
}
