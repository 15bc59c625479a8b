import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

import type { Hex } from "viem";

/** Creation code of the harness and of the decision log it needs. */
export type HarnessCode = { readonly harness: Hex; readonly decisionLog: Hex };

/** The npm compiler, which speaks JSON. */
export const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };

const root = path.join(import.meta.dirname, "../..");
export const harnessFile = "test/differential/contracts/LawHarness.sol";
export const logFile = "contracts/DecisionLog.sol";

/** As in hardhat.config.ts: what is compared is what is shipped. */
const settings = {
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { LawHarness: ["evm.bytecode.object"], DecisionLog: ["evm.bytecode.object"] } },
};

type Output = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts: Readonly<
    Record<string, Readonly<Record<string, { evm: { bytecode: { object: string } } }>>>
  >;
};

/** Compiles the harness with the npm compiler, once for each state of the sources: the code is kept in the system's temporary folder. */
export function compileHarness(): HarnessCode {
  const sources = collectSources([harnessFile, logFile]);
  const input = JSON.stringify({
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings,
  });
  const { version } = createRequire(import.meta.url)("solc/package.json") as { version: string };
  const key = createHash("sha256").update(version).update(input).digest("hex");
  const kept = path.join(tmpdir(), "bursar-differential", `${key}.json`);
  try {
    return JSON.parse(readFileSync(kept, "utf8")) as HarnessCode;
  } catch {
    const code = compile(input);
    mkdirSync(path.dirname(kept), { recursive: true });
    // Two processes may compile at once: each writes a file of its own and moves it into place.
    writeFileSync(`${kept}.${process.pid}`, JSON.stringify(code));
    renameSync(`${kept}.${process.pid}`, kept);
    return code;
  }
}

function compile(input: string): HarnessCode {
  const output = JSON.parse(solc.compile(input)) as Output;
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const codeOf = (file: string, name: string): Hex =>
    `0x${output.contracts[file]![name]!.evm.bytecode.object}`;
  return { harness: codeOf(harnessFile, "LawHarness"), decisionLog: codeOf(logFile, "DecisionLog") };
}

/** The files and all they import, under the names that the compiler gives them. */
export function collectSources(files: readonly string[]): Readonly<Record<string, string>> {
  const sources: Record<string, string> = {};
  const waiting = [...files];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (sources[name] !== undefined) continue;
    const content = readFileSync(
      name.startsWith("@") ? path.join(root, "node_modules", name) : path.join(root, name),
      "utf8",
    );
    sources[name] = content;
    for (const [, imported] of content.matchAll(/^\s*import\s[^;]*?"([^"]+)";/gm))
      waiting.push(
        imported!.startsWith(".") ? path.posix.join(path.posix.dirname(name), imported!) : imported!,
      );
  }
  return sources;
}
