import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { contracts, type Code, type Contract } from "./compileMutants.ts";
import { switchOn } from "./weave.ts";

const root = path.join(import.meta.dirname, "../../..");
/** Far more than all tests take; what takes longer goes in circles. */
const limit = 120_000;

/**
 * The contract tests in a copy of the tree, where they deploy mutants: what they deploy comes from artifacts, so none of them has
 * to be compiled again. Left out are tests that have the law compiled in, and those of gas, as mutants come without an optimizer.
 */
export class TestCourt {
  readonly #tree = mkdtempSync(path.join(tmpdir(), "bursar-mutants-"));
  readonly #files: readonly string[];
  readonly #thorough: boolean;
  #child: ChildProcess | undefined;

  /** @param thorough The attacks too, which take longer than all other tests together. */
  constructor(thorough: boolean) {
    for (const part of [
      "contracts",
      "test",
      "artifacts",
      "cache",
      "hardhat.config.ts",
      "package.json",
      "tsconfig.json",
    ])
      cpSync(path.join(root, part), path.join(this.#tree, part), {
        recursive: true,
        preserveTimestamps: true,
      });
    symlinkSync(path.join(root, "node_modules"), path.join(this.#tree, "node_modules"));
    this.#files = globSync("test/contracts/**/*.t.sol", { cwd: this.#tree })
      .filter((file) => !file.endsWith("/gas.t.sol"))
      .filter((file) => !readFileSync(path.join(this.#tree, file), "utf8").includes("/contracts/libraries/"))
      .sort();
    this.#thorough = thorough;
  }

  /** What sees most comes first, by what mutants are in: most of them fall there in a second or two. */
  #stages(names: readonly Contract[]): readonly (readonly string[])[] {
    const isSlow = (file: string): boolean => /\/(attack|matrix)\//.test(file);
    const first = names.includes("AgentAccount")
      ? /\/AgentAccount\/(termsOf|grantOf|grant|replace|usage|capOf|setCap|validateUserOp\.ruled)\.t/
      : names.includes("SpendPolicyValidator")
        ? /\/SpendPolicyValidator\//
        : names.includes("SpendGrant")
          ? /\/SpendGrant\//
          : names.includes("PermissionSpender")
            ? /\/PermissionSpender\//
            : /\/DecisionLog\//;
    const isFirst = (file: string): boolean => first.test(file);
    return [
      this.#files.filter(isFirst),
      this.#files.filter((file) => !isSlow(file) && !isFirst(file)),
      ...(this.#thorough ? [this.#files.filter(isSlow)] : []),
    ];
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    rmSync(this.#tree, { recursive: true });
  }

  /** Contracts with switches in the places of ours. Where they already fail with all switches off, nothing is learnt. */
  async open(code: Code): Promise<(id: number | null) => Promise<string | undefined>> {
    const names = (Object.keys(code) as Contract[]).filter((name) => name !== "LawHarness");
    const artifacts = new Map(
      names.map((name) => [name, readFileSync(this.#artifact(root, name), "utf8")] as const),
    );
    return async (id) => {
      for (const [name, text] of artifacts) {
        const bytecode = `0x${id === null ? code[name]! : switchOn(code[name]!, id)}`;
        const artifact = { ...(JSON.parse(text) as object), bytecode };
        writeFileSync(this.#artifact(this.#tree, name), JSON.stringify(artifact));
      }
      try {
        for (const files of this.#stages(names)) {
          const failure = await this.#failure(files);
          if (failure !== undefined) return failure;
        }
        return undefined;
      } finally {
        for (const [name, text] of artifacts) writeFileSync(this.#artifact(this.#tree, name), text);
      }
    };
  }

  #artifact(tree: string, name: Contract): string {
    return path.join(tree, "artifacts", contracts[name], `${name}.json`);
  }

  async #failure(files: readonly string[]): Promise<string | undefined> {
    const child = (this.#child ??= this.#serve());
    let said = "";
    const listen = (chunk: Buffer): void => void (said += chunk.toString());
    child.stdout!.on("data", listen);
    child.stderr!.on("data", listen);
    const timer = setTimeout(() => child.kill("SIGKILL"), limit);
    child.send(files);
    const answered = new AbortController();
    const { signal } = answered;
    const [passed] = (await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => ["gone"]),
    ])) as [boolean | "gone"];
    answered.abort();
    clearTimeout(timer);
    child.stdout!.off("data", listen);
    child.stderr!.off("data", listen);
    if (passed === "gone") this.#child = undefined;
    if (passed === true) return undefined;
    return failureIn(said) ?? (passed === "gone" ? "no end" : said.slice(-300));
  }

  #serve(): ChildProcess {
    const program = path.join(import.meta.dirname, "serveTests.ts");
    return fork(program, [], {
      cwd: this.#tree,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: { ...process.env, BURSAR_FUZZ_RUNS: "4", BURSAR_FUZZ_SEED: "0x7" },
      silent: true,
    });
  }
}

const failureIn = (said: string): string | undefined => /^ +1\) (.*)\n/m.exec(said)?.[1];
