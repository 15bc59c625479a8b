import { lstat, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";

import type { GrantDelegation } from "../../core/delegation.ts";
import { DelegationError } from "./answers.ts";
import { fromAgent, messagesOf, say, toAgent } from "./handOverLine.ts";
import type { HandOverOptions } from "./handOverOptions.ts";
import type { HandOverTerms, OpenHandOver } from "./openHandOver.ts";
import { socketFile } from "./serveHandOvers.ts";

/**
 * A hand-over that a running agent carries out, on its own journal, link and purse.
 *
 * @returns undefined where none listens
 * @throws DelegationError when the terms are none
 */
export async function joinHandOver(
  agent: string,
  state: string,
  terms: HandOverTerms,
): Promise<OpenHandOver | undefined> {
  const path = await readFile(socketFile(state), "utf8").catch(() => undefined);
  const line = path === undefined || !(await isOwn(path)) ? undefined : await reach(path);
  if (!line) return undefined;
  const asked = toAgent.safeParse({ say: "begin", agent, terms: given(terms) });
  if (!asked.success) {
    line.destroy();
    const [first] = asked.error.issues;
    throw new DelegationError(
      `The terms can't be sent to the agent: ${first!.path.join(".")}: ${first!.message}.`,
      {
        remedy: "Correct it and start again.",
      },
    );
  }
  return {
    async run({ confirm, expected, signal, tell }) {
      const stop = (): void => void line.destroy();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      try {
        say(line, { ...asked.data, ...(expected ? { expected } : {}) });
        return await follow(line, { confirm, tell });
      } catch (error) {
        if (!signal.aborted) throw error;
        throw new DelegationError("It was stopped.", {
          remedy: "Nothing more is done. Start again.",
          cause: error,
        });
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    close() {
      line.destroy();
      return Promise.resolve();
    },
  };
}

const given = ({ perPayment, perWindow, rung, token, total, ...rest }: HandOverTerms) => ({
  ...rest,
  ...(rung === undefined ? {} : { rung }),
  ...(token === undefined ? {} : { token }),
  ...(total === undefined ? {} : { total }),
  ...(perPayment === undefined ? {} : { perPayment }),
  ...(perWindow === undefined ? {} : { perWindow }),
});

async function follow(
  line: Socket,
  { confirm, tell }: Pick<HandOverOptions, "confirm" | "tell">,
): Promise<GrantDelegation> {
  for await (const message of messagesOf(line, fromAgent))
    switch (message.say) {
      case "event":
        tell(message.event);
        break;
      case "ask":
        say(line, { say: "answer", yes: await confirm(message.question, message.words) });
        break;
      case "done":
        return message.delegation;
      case "failed":
        throw new DelegationError(message.words, {
          ...(message.remedy === undefined ? {} : { remedy: message.remedy }),
          facts: message.facts,
        });
    }
  throw new DelegationError("The agent that carried it out stopped.", {
    remedy: "Start it again, see what is in force (bursar delegations), and begin anew.",
  });
}

/**
 * Whether a socket lies in a folder that is this user's alone. What a killed agent left is swept away with other temporary files, and then
 * anybody may make a folder of that name, and listen there: he would show codes and sentences of his own.
 */
async function isOwn(path: string): Promise<boolean> {
  // Named pipes lie in no folder.
  if (process.platform === "win32") return true;
  const folder = await lstat(dirname(path)).catch(() => undefined);
  return (
    folder !== undefined &&
    folder.isDirectory() &&
    folder.uid === process.geteuid?.() &&
    (folder.mode & 0o077) === 0
  );
}

function reach(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const line = connect(path);
    line.once("connect", () => {
      line.on("error", () => undefined);
      resolve(line);
    });
    line.once("error", () => resolve(undefined));
  });
}
