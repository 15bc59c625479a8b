import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { join } from "node:path";

/** Where Linux says which group a process is in, and keeps the limits of groups (version 2). */
const LINUX = { self: "/proc/self/cgroup", groups: "/sys/fs/cgroup" } as const;
type Places = { readonly self: string; readonly groups: string };

/**
 * Memory that this process may still take, in bytes: what the system has to give, file caches included, or what is left of a limit
 * that a container sets, whichever is less. Swap is not counted.
 */
export async function freeMemory(places: Places = LINUX): Promise<number> {
  return Math.min(freemem(), ...(await Promise.all((await groupsOfThisProcess(places)).map(leftIn))));
}

/** The group of this process and those around it; a limit may stand at any of them. */
async function groupsOfThisProcess({ groups, self }: Places): Promise<readonly string[]> {
  // `0::/path`; seen from inside a container the path is "/".
  const path = /^0::(\/.*)$/m.exec(await read(self))?.[1];
  if (path === undefined) return [];
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_name, index) => join(groups, ...names.slice(0, index + 1))).concat(groups);
}

/** Infinity where there is no limit. Caches of files count as used there, and are given back when memory is needed. */
async function leftIn(group: string): Promise<number> {
  const limit = Number(await read(join(group, "memory.max")));
  const used = Number(await read(join(group, "memory.current")));
  if (!Number.isFinite(limit) || limit <= 0 || !Number.isFinite(used)) return Infinity;
  const cached = Number(/^inactive_file (\d+)$/m.exec(await read(join(group, "memory.stat")))?.[1] ?? 0);
  return Math.max(0, limit - used + cached);
}

/** "" for a file that is not there, as on other systems. */
async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
