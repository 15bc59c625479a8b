import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, it } from "vitest";

import { DelegationError } from "../../../../src/runtime/delegate/answers.ts";
import { joinHandOver } from "../../../../src/runtime/delegate/joinHandOver.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "bursar-join-"));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const terms = { days: 30, purpose: "Pays bills." };

/** Somebody listens at a path. @returns whether a hand-over would be begun there */
async function isJoined(path: string, told = path): Promise<boolean> {
  const server = createServer().listen(path);
  await once(server, "listening");
  writeFileSync(join(state, "delegate.socket"), told);
  try {
    const joined = await joinHandOver("treasurer", state, terms);
    await joined?.close();
    return joined !== undefined;
  } finally {
    server.close();
  }
}

const folder = (name: string, mode: number): string => {
  const path = join(state, name);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
};

it("takes the socket of a folder that nobody else may enter for the agent's", async () => {
  expect(await isJoined(join(folder("own", 0o700), "delegate"))).toBe(true);
});

// What a killed agent left may be swept away, and the folder's name be anybody's after that.
it.runIf(process.platform !== "win32")(
  "takes no socket for the agent's that another user may have put there",
  async () => {
    expect(await isJoined(join(folder("open", 0o777), "delegate"))).toBe(false);
    expect(await isJoined(join(folder("readable", 0o755), "delegate"))).toBe(false);
    const real = join(folder("real", 0o700), "delegate");
    symlinkSync(join(state, "real"), join(state, "link"));
    expect(await isJoined(real, join(state, "link", "delegate"))).toBe(false);
  },
);

it("says so when the agent dies with what it was told unread", async () => {
  const path = join(folder("dying", 0o700), "delegate");
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, "listening");
  // Closing with unread bytes is a reset for the other end.
  server.on("connection", (line) => setTimeout(() => line.destroy(), 50));
  writeFileSync(join(state, "delegate.socket"), path);
  try {
    const joined = await joinHandOver("treasurer", state, terms);
    const running = joined!.run({
      confirm: () => Promise.resolve(false),
      signal: new AbortController().signal,
      tell: () => undefined,
    });
    const error = await running.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DelegationError);
    expect(error).toMatchObject({
      message: expect.stringContaining("The agent that carried it out stopped."),
    });
  } finally {
    server.close();
  }
});
