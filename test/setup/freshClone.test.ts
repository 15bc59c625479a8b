import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository, shellNode, shellNodeMajor, start } from "./machine.ts";

// A fresh clone of what is committed, set up over the network as a new user's machine does it. The tests follow each other.
let clone = "";
beforeAll(() => {
  clone = mkdtempSync(path.join(tmpdir(), "bursar-clone-"));
  execFileSync("git", ["clone", "--quiet", repository, clone]);
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

const setUp = (...args: readonly string[]) => start(clone, shellNode, ["scripts/setUp.mjs", ...args]);
const version = ["run", "-p", "process.versions.node.split('.')[0] >= 24"];

test(`the first run under Node ${shellNodeMajor} brings what is missing`, async () => {
  const first = await setUp(...version).ended;
  expect(first).toMatchObject({ code: 0, stdout: "true\n" });
  expect(first.stderr).toContain("Installing packages");
  expect(first.stderr.includes("Bringing Node 24")).toBe(shellNodeMajor < 24);
  expect(execFileSync("git", ["status", "--short"], { cwd: clone }).toString()).toBe("");
});

test("the second run is silent and quick", async () => {
  const second = await setUp(...version).ended;
  expect(second).toMatchObject({ code: 0, stdout: "true\n", stderr: "" });
  expect(second.ms).toBeLessThan(1000);
});

test("the compiler, the chain, the linter and the native model library all load without install scripts", async () => {
  const load = ["@nomicfoundation/edr", "rolldown", "esbuild", "node-llama-cpp"].map(
    (name) => `await import("${name}");`,
  );
  const loaded = await setUp("run", "--input-type=module", "-e", `${load.join("")} console.log("loaded")`)
    .ended;
  expect(loaded).toMatchObject({ code: 0, stdout: "loaded\n", stderr: "" });
  expect(await setUp("exec", "oxlint", "--version").ended).toMatchObject({ code: 0 });
});

test("a native package that another npm took away, and a kill -9 in the middle of the repair, are both repaired", async () => {
  const scope = path.join(clone, "node_modules/@nomicfoundation");
  const native = readdirSync(scope).filter((name) => name.startsWith("edr-"));
  expect(native).not.toEqual([]);
  for (const name of native) rmSync(path.join(scope, name), { recursive: true });
  appendFileSync(path.join(clone, "node_modules/.package-lock.json"), "\n");

  const killed = setUp();
  await expect
    .poll(() => existsSync(path.join(clone, "node_modules/.package-lock.json")), { timeout: 60_000 })
    .toBe(false);
  killed.child.kill("SIGKILL");

  expect(await setUp(...version).ended).toMatchObject({ code: 0, stdout: "true\n" });
  expect(native.every((name) => existsSync(path.join(scope, name)))).toBe(true);
});

const npmMajor = Number(execFileSync("npm", ["--version"]).toString().split(".")[0]);
test.skipIf(npmMajor < 10)("npx finds the launcher of the clone, without asking a registry", async () => {
  const cache = mkdtempSync(path.join(tmpdir(), "bursar-npx-"));
  const env = { npm_config_cache: cache, npm_config_registry: "http://127.0.0.1:9", npm_config_yes: "false" };
  const help = await start(clone, "npx", ["bursar", "--help"], env).ended;
  rmSync(cache, { recursive: true, force: true });
  expect(help).toMatchObject({ code: 0 });
  expect(help.stdout).toContain("bursar");
});
