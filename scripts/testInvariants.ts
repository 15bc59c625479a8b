// Runs the attacks (test/contracts/attack/) for as long as you like, and says what came of them:
//
//   node scripts/setUp.mjs run scripts/testInvariants.ts [--runs N] [--seed 0x…]
//
// Each run is an account with all its grants, and some twenty bundles of operations by agents who sign anything. The exit status
// is 1 if more than a grant allows ever left the account, or if a suite made no attack at all.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { hexToString, toFunctionSelector, type Hex } from "viem";
import { agentAccountAbi } from "../src/chain/abi/agentAccount.ts";

const suites = ["hostileAgent", "hostileRuled", "hostileSpender", "hostilePermission"] as const;
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: `0x${randomBytes(8).toString("hex")}` },
  },
});
if (!/^[1-9]\d*$/.test(values.runs) || !/^0x[\da-fA-F]+$/.test(values.seed)) {
  process.stderr.write("Usage: npm run test:invariants -- [--runs N] [--seed 0x…]\n");
  process.exit(2);
}

const scratch = mkdtempSync(path.join(tmpdir(), "bursar-invariants-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Errors that Solidity itself knows, beside the account's. */
const errors = new Map<string, string>([
  ["0x4e487b71", "Panic"],
  ["0x08c379a0", "Error"],
  ...agentAccountAbi
    .filter((item): item is Extract<typeof item, { type: "error" }> => item.type === "error")
    .map((item): [string, string] => [toFunctionSelector(signatureOf(item)), item.name]),
]);

let failed = (await hardhat(["build", "--no-tests", "--quiet"])) !== 0;
process.stdout.write(`${values.runs} runs of each attack, seed ${values.seed}\n`);
for (const suite of suites) {
  const started = performance.now();
  const file = path.join(scratch, suite);
  const status = await attack(suite, file);
  const tally = read(file);
  const runs = tally.get("runs") ?? 0;
  failed ||= status !== 0 || runs < Number(values.runs);
  process.stdout.write(
    `\n${suite} (${((performance.now() - started) / 1000).toFixed(0)} s)\n${tell(tally)}\n`,
  );
}
process.stdout.write(
  failed ? "\nAn attack succeeded, or did not run: see above.\n" : "\nNo attack succeeded.\n",
);
process.exitCode = failed ? 1 : 0;

function attack(suite: string, tally: string): Promise<number | null> {
  return hardhat(["test", "solidity", `test/contracts/attack/${suite}.t.sol`], {
    BURSAR_FUZZ_RUNS: values.runs,
    BURSAR_FUZZ_SEED: values.seed,
    BURSAR_TALLY: tally,
  });
}

/** Its exit status. A test of one file does not build the contracts that it deploys: `build` does. */
function hardhat(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number | null> {
  const child = spawn("hardhat", args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
    shell: process.platform === "win32",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
}

function signatureOf({ name, inputs }: { name: string; inputs: readonly { type: string }[] }): string {
  return `error ${name}(${inputs.map(({ type }) => type).join(",")})`;
}

/** Lines of names (bytes32) and numbers, one for each run (`Chance.tell`). */
function read(file: string): ReadonlyMap<string, number> {
  const tally = new Map<string, number>();
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return tally; // nothing ran
  }
  for (const [, hex, times] of text.matchAll(/(0x[\da-f]{64}) (\d+)/g)) {
    const name = nameOf(hex as Hex);
    tally.set(name, (tally.get(name) ?? 0) + Number(times));
  }
  return tally;
}

/** What the attacks count has a name in small letters, an error four bytes of selector. */
function nameOf(hex: Hex): string {
  const selector = hex.slice(0, 10);
  const isSelector = /^0+$/.test(hex.slice(10)) && !/^0x[2-7][\da-f](?:[2-7][\da-f]){3}$/.test(selector);
  const known = errors.get(selector);
  if (known !== undefined && /^0+$/.test(hex.slice(10))) return `refused: ${known}`;
  return isSelector ? `refused: ${selector}` : hexToString(hex, { size: 32 });
}

function tell(tally: ReadonlyMap<string, number>): string {
  return [...tally]
    .toSorted(
      ([a], [b]) => Number(a.startsWith("refused")) - Number(b.startsWith("refused")) || a.localeCompare(b),
    )
    .map(([name, times]) => `  ${name.padEnd(36)} ${times}`)
    .join("\n");
}
