import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, it } from "vitest";

import { randomSecret, sleep } from "../../../../src/runtime/clock.ts";
import {
  serveHandOvers,
  socketFile,
  type HandOverTalk,
} from "../../../../src/runtime/delegate/serveHandOvers.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "bursar-serve-"));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

type Serving = Awaited<ReturnType<typeof serveHandOvers>>;

/** An agent whose hand-overs go as `begin` does, and the line of a command that has begun one and reads nothing. */
async function begun(
  begin: (talk: HandOverTalk) => Promise<never>,
): Promise<{ line: Socket; serving: Serving }> {
  const underWay = Promise.withResolvers<void>();
  const serving = await serveHandOvers(state, randomSecret, (_, talk) => {
    underWay.resolve();
    return begin(talk);
  });
  const line = connect(readFileSync(socketFile(state), "utf8"));
  line.on("error", () => undefined);
  line.pause();
  line.write(`${JSON.stringify({ say: "begin", agent: "a", terms: { days: 1, purpose: "p" } })}\n`);
  await underWay.promise;
  return { line, serving };
}

const closed = (serving: Serving): Promise<string> =>
  Promise.race([serving.close().then(() => "closed"), sleep(5000).then(() => "still waits")]);

it("takes a command that dies with unread lines for one that was stopped", async () => {
  const stopped = Promise.withResolvers<void>();
  const { line, serving } = await begun(async ({ signal, tell }) => {
    signal.addEventListener("abort", () => stopped.resolve(), { once: true });
    tell({ kind: "uri", uri: "wc:" });
    await stopped.promise;
    throw new Error("It was stopped.");
  });
  // Nothing is read: closing so is a reset for the other end.
  await sleep(50);
  line.destroy();
  expect(await Promise.race([stopped.promise.then(() => "stopped"), sleep(5000)])).toBe("stopped");
  expect(await closed(serving)).toBe("closed");
});

it("asks nothing of a command that hung up before the question", async () => {
  const asked = Promise.withResolvers<unknown>();
  const { line, serving } = await begun(async ({ confirm, signal }) => {
    await once(signal, "abort");
    const answer = confirm("grant", "Ask the wallet to sign this?");
    asked.resolve(answer.catch((error: unknown) => error));
    await answer;
    throw new Error("It was answered.");
  });
  line.destroy();
  expect(await Promise.race([asked.promise, sleep(5000)])).toMatchObject({
    message: expect.stringContaining("It was stopped."),
  });
  expect(await closed(serving)).toBe("closed");
});
