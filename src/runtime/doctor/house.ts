import { existsSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";

import { hashFile } from "../../inference/hashFile.ts";
import { openDecision, agentsIn } from "../../journal/decisions.ts";
import { verifyEntries } from "../../journal/entries.ts";
import { JournalLockedError } from "../../journal/errors.ts";
import { openJournal, type JournalDatabase } from "../../journal/openJournal.ts";
import { heldLanes } from "../../journal/lanes.ts";
import { isPaused } from "../../journal/pauses.ts";
import { readJournal } from "../../journal/readJournal.ts";
import { countWaiting } from "../../journal/triggers.ts";
import { bundlersOf } from "../bundlerSchema.ts";
import type { Config } from "../config.ts";
import { enginesOf } from "../modelConfig.ts";
import { bad, good, looking, type Check } from "./check.ts";

/** Free space under which a journal should not begin a day, in bytes. */
const leastFreeBytes = 256 * 1024 * 1024;
const oldestNode = 24;

export function checkNode(version: string): Check {
  return Number(version.split(".")[0]) >= oldestNode
    ? good("node", `Node ${version}`)
    : bad("node", `Node ${version}`, `Use Node ${oldestNode} or newer: the journal's SQLite comes with it.`);
}

/** The files that hold keys and the journal are for their owner only. */
export async function checkFiles(config: Config): Promise<Check> {
  const remotes = enginesOf(config.model).flatMap((engine) => ("remote" in engine ? [engine.remote] : []));
  const files = [
    ...remotes.flatMap(({ apiKeyFile, hedge }) => [apiKeyFile, hedge?.apiKeyFile]),
    config.keystore,
    config.passwordFile,
    ...bundlersOf(config.bundler).flatMap((one) =>
      one.kind === "own" ? [one.keystore, one.passwordFile] : [],
    ),
    join(config.state, "journal.db"),
  ].filter((file) => file !== undefined);
  const open: string[] = [];
  for (const file of files) {
    const { mode } = (await stat(file).catch(() => undefined)) ?? { mode: 0 };
    if ((mode & 0o077) !== 0) open.push(file);
  }
  return open.length === 0
    ? good("files", "Keystores, passwords and journal are for their owner only.")
    : bad("files", `Others may read ${open.join(", ")}.`, `chmod 600 ${open.join(" ")}`);
}

export async function checkDisk({ state }: Config): Promise<Check> {
  if (!existsSync(state)) return good("disk", "The state folder will be made at the first start.");
  const { bavail, bsize } = await statfs(state);
  const free = bavail * bsize;
  const words = `${Math.floor(free / 1024 / 1024)} MiB free`;
  return free >= leastFreeBytes
    ? good("disk", words)
    : bad("disk", words, "Make room: a decision that can't be kept is not made, and the agent stops.");
}

/** The hash chain, SQLite's own check, and what waits. A journal in use is left to who uses it. */
export function checkJournal({ state }: Config): Promise<Check> {
  const file = join(state, "journal.db");
  return looking("journal", () => {
    if (!existsSync(file)) return good("journal", "None yet; it is made at the first start.");
    let journal: JournalDatabase;
    try {
      journal = openJournal(file);
    } catch (error) {
      if (!(error instanceof JournalLockedError)) throw error;
      const reader = readJournal(file);
      try {
        return checkLanes(reader) ?? good("journal", "In use: an agent runs on it.");
      } finally {
        reader.close();
      }
    }
    try {
      const sound = journal.get("pragma integrity_check")?.["integrity_check"];
      if (sound !== "ok")
        return bad(
          "journal",
          `SQLite finds damage: ${String(sound).split("\n")[0]}`,
          "Stop the agent, keep the file, and look at the disk. An older copy does not know the last payments.",
        );
      const { entries } = verifyEntries(journal);
      const held = checkLanes(journal);
      if (held) return held;
      const agents = agentsIn(journal).map((agent) => {
        const waiting = countWaiting(journal, agent);
        const notes = [
          ...(isPaused(journal, agent) ? ["paused"] : []),
          ...(openDecision(journal, agent) ? ["a decision under way"] : []),
          ...(waiting > 0 ? [`${waiting} waiting`] : []),
        ];
        return notes.length === 0 ? agent : `${agent} (${notes.join(", ")})`;
      });
      return good("journal", [`${entries} entries, unbroken`, ...agents].join("; "));
    } finally {
      journal.close();
    }
  });
}

/** Nonces that somebody else used: nothing is signed before the operator has looked. */
function checkLanes(journal: Pick<JournalDatabase, "all">): Check | undefined {
  const held = heldLanes(journal);
  if (held.length === 0) return undefined;
  const words = held.map(
    ({ agent, foreign, lane }) =>
      `${agent} signs nothing any more: somebody else used the lane ${lane}${foreign ? ` in ${foreign.transaction}` : ""}`,
  );
  return bad(
    "journal",
    `${words.join("; ")}.`,
    `If it was not you, another holds the agent's key: bursar freeze, then revoke the policy and use a new key. If it was: ${held.map(({ lane }) => `bursar journal release lane:${lane}`).join(", ")}`,
  );
}

/** Every engine that may be asked, those to fall back on included: a stand-in that is missing is found out too late. */
export function checkModel({ model }: Config): Promise<Check> {
  return looking("model", async () => {
    const notes: string[] = [];
    for (const engine of enginesOf(model)) {
      if ("remote" in engine) {
        const { host } = new URL(engine.remote.url);
        notes.push(`On a server (${host}); it was not asked. What it answers is unverifiable.`);
        continue;
      }
      if (!existsSync(engine.file))
        return bad(
          "model",
          `There is no ${engine.file}.`,
          "Fetch it: bursar model add, or correct the path.",
        );
      const actual = await hashFile(engine.file);
      if (actual !== engine.sha256)
        return bad(
          "model",
          `${engine.file} hashes to ${actual}, the configuration says ${engine.sha256}.`,
          "Bring the right file back; change the hash only if you mean another model.",
        );
      notes.push(`${engine.file}, the hash holds`);
    }
    return good("model", notes.join("; then "));
  });
}
