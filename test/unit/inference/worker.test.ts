import { fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { hashFile } from "../../../src/inference/hashFile.ts";
import { fromWorkerSchema, toWorkerSchema } from "../../../src/inference/messages.ts";
import { workerArguments } from "../../../src/inference/workerArguments.ts";
import { workerEnvironment } from "../../../src/inference/workerEnvironment.ts";

test("the environment passes on a short list and nothing else", () => {
  const source = {
    PATH: "/bin",
    LANG: "C",
    BURSAR_AGENT_KEY: "0xsecret",
    NODE_OPTIONS: "--import=x",
    LD_PRELOAD: "x",
  };
  expect(workerEnvironment(source)).toEqual({ PATH: "/bin", LANG: "C", UV_THREADPOOL_SIZE: "1" });
});

test("of Node's flags only those of module resolution are passed on", () => {
  expect(
    workerArguments([
      "--import",
      "x.mjs",
      "--conditions=source",
      "-C",
      "a",
      "--inspect=1",
      "--env-file=.env",
      "--no-warnings",
    ]),
  ).toEqual(["--conditions=source", "-C", "a"]);
});

test("messages are strict in both directions", () => {
  expect(toWorkerSchema.safeParse({ type: "cancel", id: 1, key: "0x" }).success).toBe(false);
  expect(toWorkerSchema.safeParse({ type: "cancel", id: 1 }).success).toBe(true);
  expect(fromWorkerSchema.safeParse({ type: "progress", phase: "loading", permille: 1.5 }).success).toBe(
    false,
  );
  expect(fromWorkerSchema.safeParse({ type: "rendered", id: 0, promptTokens: [-1] }).success).toBe(false);
});

test("hashFile streams a file of several chunks", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "bursar-")), "file");
  const bytes = randomBytes(3 * (1 << 20) + 17);
  writeFileSync(path, bytes);
  const told: number[] = [];
  expect(await hashFile(path, (permille) => told.push(permille))).toBe(
    `0x${createHash("sha256").update(bytes).digest("hex")}`,
  );
  expect(told.at(-1)).toBe(1000);
});

test.runIf(process.platform !== "win32")(
  "an orphan ends even when its main thread hears nothing",
  async () => {
    // The parent of the double is a process of its own, which dies.
    const parent = fork(fileURLToPath(new URL("./deafWorkerParent.mjs", import.meta.url)), [], {
      stdio: "ignore",
    });
    const pid = await new Promise<number>((resolve) =>
      parent.once("message", (message) => resolve(Number(message))),
    );
    await sleep(800);
    parent.kill("SIGKILL");
    await expect.poll(() => alive(pid), { timeout: 4000 }).toBe(false);
  },
);

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
