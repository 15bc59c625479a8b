import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repository, start } from "./machine.ts";

// The set-up with a stand-in for npm, under the Node that runs this test: quick, and fails when it is told to.
const fakeNpm = `
  const { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
  appendFileSync("npm-runs", process.argv.slice(2, 3) + "\\n");
  if (process.env.FAKE_NPM === "offline") {
    console.error("npm error code ENOTFOUND");
    process.exit(1);
  }
  rmSync("node_modules", { recursive: true, force: true });
  mkdirSync("node_modules/.bin", { recursive: true });
  setTimeout(() => {
    if (process.env.FAKE_NPM !== "no-native") {
      mkdirSync("node_modules/@nomicfoundation/edr", { recursive: true });
      writeFileSync("node_modules/@nomicfoundation/edr/index.js", "");
    }
    cpSync("package-lock.json", "node_modules/.package-lock.json");
  }, Number(process.env.FAKE_NPM_MS ?? 0));
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bursar-set-up-"));
  for (const name of ["package.json", "package-lock.json", "scripts/setUp.mjs", "scripts/setUp"]) {
    cpSync(path.join(repository, name), path.join(folder, name), { recursive: true });
  }
  mkdirSync(path.join(folder, "npm/bin"), { recursive: true });
  writeFileSync(path.join(folder, "npm/package.json"), '{ "version": "11.0.0" }');
  writeFileSync(path.join(folder, "npm/bin/npm-cli.js"), fakeNpm);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const setUp = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  start(folder, process.execPath, ["scripts/setUp.mjs", ...args], {
    npm_execpath: path.join(folder, "npm/bin/npm-cli.js"),
    ...env,
  });
const npmRuns = () => readFileSync(path.join(folder, "npm-runs"), "utf8").trim().split("\n").length;

test("installs once, then is silent", async () => {
  const first = await setUp(["run", "-p", "1"]).ended;
  expect(first).toMatchObject({ code: 0, stdout: "1\n" });
  expect(first.stderr).toContain("Installing packages");
  expect(await setUp(["run", "-p", "2"]).ended).toMatchObject({ code: 0, stdout: "2\n", stderr: "" });
  expect(npmRuns()).toBe(1);
});

test("installs again when the lockfile asks for another version, and adopts an installation that already has it", async () => {
  await setUp().ended;
  const lockfile = path.join(folder, "package-lock.json");
  const other = readFileSync(lockfile, "utf8").replace(
    /("node_modules\/zod": \{\s*"version": ")[^"]+/,
    "$19.9.9",
  );
  writeFileSync(lockfile, other);
  expect(await setUp().ended).toMatchObject({ code: 0 });
  expect(npmRuns()).toBe(2);
  rmSync(path.join(folder, "node_modules/.bursar-setup"));
  expect(await setUp().ended).toMatchObject({ code: 0, stderr: "" });
  expect(npmRuns()).toBe(2);
});

test("two at once install once", async () => {
  const both = await Promise.all([0, 1].map(() => setUp(["run", "-p", "1"], { FAKE_NPM_MS: "1500" }).ended));
  expect(both).toMatchObject([
    { code: 0, stdout: "1\n" },
    { code: 0, stdout: "1\n" },
  ]);
  expect(both.map(({ stderr }) => stderr).join("")).toContain("Another set-up is running");
  expect(npmRuns()).toBe(1);
});

test("kill -9 in the middle leaves nothing that passes for whole; the next run stops the orphan and repairs", async () => {
  const killed = setUp([], { FAKE_NPM_MS: "600000" });
  await killed.said("Installing");
  await expect.poll(() => existsSync(path.join(folder, "node_modules"))).toBe(true);
  killed.child.kill("SIGKILL");
  expect(await setUp(["run", "-p", "1"]).ended).toMatchObject({ code: 0, stdout: "1\n" });
  expect(npmRuns()).toBe(2);
  await killed.ended; // its pipes close only once the orphaned npm is gone
});

test("Ctrl-C ends npm and exits with 130", async () => {
  const stopped = setUp([], { FAKE_NPM_MS: "600000" });
  await expect.poll(() => existsSync(path.join(folder, "node_modules"))).toBe(true);
  stopped.child.kill("SIGINT");
  expect(await stopped.ended).toMatchObject({ code: 130, stdout: "" });
  expect(existsSync(path.join(folder, ".setUp.lock"))).toBe(false);
});

test("says what npm said and what to do when npm fails", async () => {
  const failed = await setUp(["run", "-p", "1"], { FAKE_NPM: "offline" }).ended;
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toContain("npm error code ENOTFOUND");
  expect(failed.stderr).toContain("Is this machine offline");
});

test("notices a native package that npm left out without a word", async () => {
  const failed = await setUp([], { FAKE_NPM: "no-native" }).ended;
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("left out the native part of @nomicfoundation/edr");
  expect(await setUp(["run", "-p", "1"]).ended).toMatchObject({ code: 0, stdout: "1\n" });
});

test("hands on exit codes and signals", async () => {
  await setUp().ended;
  expect(await setUp(["run", "-e", "process.exit(7)"]).ended).toMatchObject({ code: 7 });
  const running = setUp(["run", "-e", "console.log('up'); setInterval(() => {}, 1000)"]);
  await running.said("up");
  running.child.kill("SIGTERM");
  expect(await running.ended).toMatchObject({ signal: "SIGTERM" });
});
