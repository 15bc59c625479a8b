import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

import { describe, expect, it } from "vitest";

import { elsewhere, lawErrors } from "./lawAnswers.ts";

type Report = {
  readonly cases: number;
  readonly changes: number;
  readonly seed: number;
  readonly seconds: number;
  readonly disagreements: readonly string[];
  readonly missing: readonly string[];
};

/** Another seed gives other histories: BURSAR_SEED=7 vitest run --project unit test/differential/law */
const seed = process.env["BURSAR_SEED"] ?? "1";
const cases = 20_000;

const play = () =>
  new Promise<Report>((resolve, reject) => {
    const args = [path.join(import.meta.dirname, "run.ts"), "--json", "--cases", `${cases}`, "--seed", seed];
    const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source"];
    const env = { ...process.env };
    // Else the child would take itself for one of Vitest's.
    delete env["NODE_CHANNEL_FD"];
    execFile(process.execPath, [...flags, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout) as Report);
      } catch {
        reject(new Error(`run.ts told nothing.\n${stderr}`, { cause: error }));
      }
    });
  });

describe("the law in TypeScript and in Solidity", () => {
  it("agree on every random operation, bit for bit, and meet every error of the law", async () => {
    const report = await play();
    process.stdout.write(
      `differential: ${report.cases} operations and ${report.changes} changes of owners, ${report.disagreements.length} disagreements (seed ${seed}, ${report.seconds} s)\n`,
    );
    expect({ disagreements: report.disagreements, missing: report.missing }).toEqual({
      disagreements: [],
      missing: [],
    });
    expect(report.cases).toBe(cases);
  }, 280_000);

  it("know the same errors", () => {
    const source = readFileSync(
      path.join(import.meta.dirname, "../../contracts/interfaces/ISpendPolicy.sol"),
      "utf8",
    );
    const declared = [...source.matchAll(/^\s*error (\w+)\(/gm)].map(([, name]) => name!);
    const others = ["ERC7579DecodingError", "Panic", "Unreadable"];
    expect([...lawErrors, ...elsewhere].filter((name) => !others.includes(name)).sort()).toEqual(
      declared.sort(),
    );
  });
});
