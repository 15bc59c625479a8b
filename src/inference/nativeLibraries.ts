import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { platform, report } from "node:process";
import type { RuntimeIdentity } from "../core/inference.ts";
import { hashFile } from "./hashFile.ts";

/** llama.cpp's libraries and the binding's addon, as their files are called on Linux, macOS and Windows. */
const COMPUTES = /^(lib)?(ggml|llama)[-._\w]*\.(so|dylib|dll|node)([.\d]*)$/;

/**
 * The native files this process has loaded to compute with, hashed. llama.cpp chooses one of its CPU variants at run
 * time by the processor's features and tells nobody; the list of loaded files is where it shows.
 */
export async function nativeLibraries(): Promise<RuntimeIdentity["libraries"]> {
  const paths = new Set((await loadedFiles()).filter((path) => COMPUTES.test(basename(path))));
  const hashed = await Promise.all(
    [...paths].map(async (path) => ({ name: basename(path), sha256: await hashFile(path) })),
  );
  return hashed.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function loadedFiles(): Promise<readonly string[]> {
  if (platform === "linux") {
    const maps = await readFile("/proc/self/maps", "utf8");
    // `address perms offset dev inode path`; the path may hold spaces (proc(5)).
    return maps.split("\n").map((line) => /^(?:\S+\s+){5}(.+)$/.exec(line)?.[1] ?? "");
  }
  // Resolving the names of open sockets is slow and not wanted; Node has the switch, its types do not yet.
  Object.assign(report, { excludeNetwork: true });
  const { sharedObjects } = report.getReport() as { sharedObjects?: readonly string[] };
  return sharedObjects ?? [];
}
