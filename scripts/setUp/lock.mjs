// One set-up at a time in a folder.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { attempt, inRoot, readOr, remove, SetUpError } from "./files.mjs";

const lockFile = inRoot(".setUp.lock"); // not inside node_modules: `npm ci` empties that

/** Holds a lock file that names this process and the npm it runs; a lock whose processes are gone is taken over. */
export async function withLock(work) {
  let held = false;
  const release = () => {
    if (held) remove(lockFile);
    held = false;
  };
  const note = (pid) => fs.writeFileSync(lockFile, `${process.pid}\n${pid}`);
  for (let told = false; !(held = claim());) {
    if (takeOverIfStale()) continue;
    if (!told) process.stderr.write("Another set-up is running in this folder. Waiting for it…\n");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  process.on("exit", release);
  const heartbeat = setInterval(
    () => held && attempt(() => fs.utimesSync(lockFile, new Date(), new Date())),
    1000,
  );
  try {
    return await work({ note, release });
  } finally {
    clearInterval(heartbeat);
    release();
    process.removeListener("exit", release);
  }
}

/** A hard link appears with its content or not at all, so nobody ever reads an empty lock. */
function claim() {
  const own = `${lockFile}.${process.pid}`;
  try {
    fs.writeFileSync(own, String(process.pid));
  } catch (error) {
    throw new SetUpError(`Bursar's set-up may not write to its own folder: ${error.message}`);
  }
  try {
    fs.linkSync(own, lockFile);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    remove(own);
  }
}

function takeOverIfStale() {
  const seen = readOr(lockFile, undefined);
  if (seen === undefined) return true;
  const [owner, npmPid] = seen.split("\n").map(Number);
  const silentFor = Date.now() - attempt(() => fs.statSync(lockFile).mtimeMs, Date.now()); // the owner touches it every second
  if (isAlive(owner) && silentFor < 60_000) return false;
  if (npmPid && isAlive(npmPid) && /\bnpm\b/.test(commandOf(npmPid))) {
    attempt(() => process.kill(npmPid, "SIGKILL")); // an orphan of a killed set-up would write into our installation
    return false;
  }
  const aside = `${lockFile}.stale.${process.pid}`;
  attempt(() => fs.renameSync(lockFile, aside));
  // Somebody quicker may have replaced the stale lock between our look and our rename: give theirs back.
  if (readOr(aside, seen) !== seen) attempt(() => fs.linkSync(aside, lockFile));
  remove(aside);
  return true;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readOr(`/proc/${pid}/status`, ""));
  } catch (error) {
    return error.code === "EPERM";
  }
}

function commandOf(pid) {
  const fromProc = readOr(`/proc/${pid}/cmdline`, "");
  if (fromProc !== "" || process.platform === "win32") return fromProc;
  return spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout || "";
}
