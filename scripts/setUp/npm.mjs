// Runs npm for the set-up: quietly, under the Node that is wanted, and without leaving anything behind when stopped.
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { environment } from "./become.mjs";
import { majorOf, pathKey, readOr, realPathOf, SetUpError } from "./files.mjs";

const OLDEST_NPM = 8; // the first that reads a lockfile of version 3 without addresses in it

/** Runs npm's own program under the given Node; a plain `npm` would run under whichever Node its first line finds. */
export async function npm(node, args, cwd, lock) {
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--no-progress", "--loglevel=error"];
  const patient = ["--fetch-retries=3", "--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=20000"];
  const child = spawn(node, [findNpm(), ...args, "--no-global", "--no-dry-run", ...quiet, ...patient], {
    cwd,
    env: environment(node),
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  lock.note(child.pid);
  let output = "";
  const keep = (chunk) => (output = (output + chunk).slice(-30000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);

  const stop = (signal) => {
    child.kill("SIGKILL"); // what it leaves behind carries no stamp, and the next run starts afresh
    lock.release();
    process.stderr.write(`\nStopped. Nothing half-done will be used: run the same command again.\n`);
    process.exit(128 + os.constants.signals[signal]);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, stop);
  const code = await new Promise((resolve) => {
    child.on("error", (error) => resolve(String(error)));
    child.on("close", (status, signal) => resolve(status === null ? signal : status));
  });
  for (const signal of signals) process.removeListener(signal, stop);
  if (code !== 0) throw new SetUpError(npmFailure(args[0], code, output));
}

function npmFailure(command, code, output) {
  const [withoutUsage] = output.split(/^.*Clean install a project$/m);
  const lines = withoutUsage
    .split("\n")
    .filter((line) => !/^npm error\s*($|at )/.test(line) && line.trim() !== "");
  const causes = [
    [
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET/,
      "npm could not reach its registry. Is this machine offline, or behind a proxy npm does not know?",
    ],
    [/ENOSPC/, "The disk is full. The packages need about 1.5 GB."],
    [
      /EACCES|EPERM|EROFS/,
      "npm may not write here. Does this folder, or npm's cache, belong to another user?",
    ],
    [
      /EUSAGE|ERESOLVE/,
      "package.json and package-lock.json do not agree. Undo the change to them, or run `npm install` under Node 24.",
    ],
  ];
  const known = causes.find(([pattern]) => pattern.test(output));
  return [
    `npm ${command} failed (${code}). Its last lines:`,
    ...lines.slice(-15).map((line) => `  ${line}`),
    known ? known[1] : "Nothing half-done will be used: run the same command again.",
  ].join("\n");
}

function findNpm() {
  const beside = path.dirname(process.execPath);
  const candidates = [
    process.env.npm_execpath,
    ...(process.env[pathKey()] || "").split(path.delimiter).map((folder) => path.join(folder, "npm")),
    path.join(beside, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    path.join(beside, "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  for (const candidate of candidates) {
    const file = candidate && realPathOf(candidate);
    if (!file || !/\bnpm-cli\.c?js$/.test(file)) continue;
    const { version } = JSON.parse(
      readOr(path.join(path.dirname(file), "..", "package.json"), '{"version":"0"}'),
    );
    if (majorOf(version) >= OLDEST_NPM) return file;
  }
  throw new SetUpError(
    `Bursar's set-up needs npm ${OLDEST_NPM} or newer and found none. Install npm (it comes with Node) and try again.`,
  );
}
