import { mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

import type { GrantDelegation } from "../../core/delegation.ts";
import { BaseError } from "../../core/errors.ts";
import type { RandomSecret } from "../../core/ports.ts";
import { DelegationError } from "./answers.ts";
import { messagesOf, say, toAgent, type AskedHandOver } from "./handOverLine.ts";
import type { HandOverOptions } from "./handOverOptions.ts";

/** What a hand-over asks and tells whoever began it. */
export type HandOverTalk = Pick<HandOverOptions, "tell" | "confirm" | "signal">;

/** Where the running agent says on which socket it listens; for its owner only, as the journal is. */
export const socketFile = (state: string): string => join(state, "delegate.socket");

/**
 * Lets `bursar delegate` reach an agent that runs: the journal has one writer, and a wallet's session one end. A socket of the machine, in a
 * folder that only its owner may enter; a state folder's own path may be longer than sockets' paths may be.
 */
export async function serveHandOvers(
  state: string,
  randomSecret: RandomSecret,
  begin: (asked: AskedHandOver, talk: HandOverTalk) => Promise<GrantDelegation>,
): Promise<{ close(): Promise<void> }> {
  const windows = process.platform === "win32";
  if (!windows) await removeStale(state);
  const path = windows
    ? `\\\\.\\pipe\\bursar-${randomSecret().slice(2)}`
    : join(await mkdtemp(join(tmpdir(), "bursar-")), "delegate");
  const lines = new Set<Socket>();
  const underWay = new Set<Promise<void>>();
  const server = createServer((line) => {
    lines.add(line);
    // Whoever hangs up has said what he wants to.
    line.on("error", () => undefined);
    const talking = converse(line, begin).finally(() => {
      lines.delete(line);
      underWay.delete(talking);
    });
    underWay.add(talking);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await writeFile(socketFile(state), path, { mode: 0o600 });
  return {
    async close() {
      server.close();
      for (const line of lines) line.destroy();
      await Promise.all(underWay);
      await rm(socketFile(state), { force: true });
      if (!windows) await rm(dirname(path), { recursive: true, force: true });
    },
  };
}

/** What an agent that was killed left behind. Only what has our own name, and nothing else in it, is removed. */
async function removeStale(state: string): Promise<void> {
  const old = await readFile(socketFile(state), "utf8").catch(() => "");
  if (!old.startsWith(join(tmpdir(), "bursar-")) || basename(old) !== "delegate") return;
  await rm(old, { force: true }).catch(() => undefined);
  await rmdir(dirname(old)).catch(() => undefined);
}

async function converse(
  line: Socket,
  begin: (asked: AskedHandOver, talk: HandOverTalk) => Promise<GrantDelegation>,
): Promise<void> {
  const stopping = new AbortController();
  const messages = messagesOf(line, toAgent);
  let answer: ((yes: boolean) => void) | undefined;
  const talk: HandOverTalk = {
    signal: stopping.signal,
    tell: (event) => say(line, { say: "event", event }),
    confirm(question, words) {
      say(line, { say: "ask", question, words });
      return new Promise((resolve, reject) => {
        answer = resolve;
        const stop = (): void => reject(stopped());
        stopping.signal.addEventListener("abort", stop, { once: true });
        if (stopping.signal.aborted) stop();
      });
    },
  };
  const first = await messages.next();
  if (first.done === true || first.value.say !== "begin") return void line.destroy();
  const handing = begin(first.value, talk).then(
    (delegation) => say(line, { say: "done", delegation }),
    (error: unknown) => say(line, { say: "failed", ...inWords(error) }),
  );
  const listening = (async () => {
    try {
      for await (const message of messages) if (message.say === "answer") answer?.(message.yes);
    } finally {
      stopping.abort();
    }
  })();
  await handing;
  line.end();
  await listening;
}

const stopped = () =>
  new DelegationError("It was stopped.", { remedy: "Nothing more is done. Start again." });

const inWords = (error: unknown) =>
  error instanceof BaseError
    ? {
        words: error.shortMessage,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
        facts: error.facts,
      }
    : { words: error instanceof Error ? error.message : String(error), facts: {} };
