import { readFile, rm, writeFile } from "node:fs/promises";
import { ModelStoreError, storeFailure } from "./storeErrors.ts";

/**
 * Two processes that write one file would make a third one of it, so one of them is refused. A lock whose process is
 * gone counts for nothing.
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") storeFailure(error, path);
    }
    const owner = await readFile(path, "utf8").catch(() => undefined);
    if (owner === undefined) continue;
    // An empty one is just being written.
    if (owner === "" || isAlive(Number(owner)))
      throw new ModelStoreError(
        "Another process is adding this model.",
        "Wait until it is done, or stop it. If there is no such process, delete the lock.",
        { lock: path, process: owner },
      );
    await rm(path, { force: true });
  }
  throw new ModelStoreError("Another process is adding this model.", "Wait until it is done.", {
    lock: path,
  });
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId < 1) return false;
  try {
    return process.kill(processId, 0);
  } catch (error) {
    // It is there, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
