import { fork } from "node:child_process";
import { env, execArgv } from "node:process";

import { readableFor } from "./readable.ts";
import { fromLinkSchema, type FromLink, type ToLink } from "./linkMessages.ts";

/** Last words of a dying process that go into the event, in characters. */
const lastCharacters = 400;
/** Flags that decide how modules resolve and TypeScript is stripped; the process must agree with its parent. */
const kept = [/^--conditions=/, /^-C=/, /^--(no-)?(experimental-)?strip-types$/, /^--enable-source-maps$/];
/** It reads its modules and nothing else: no writing, no programs, no add-ons, no threads. And a bound for its memory, in MB. */
const confined = ["--permission", "--max-old-space-size=512", "--disable-warning=SecurityWarning"];
/** Windows programs do not start without these. */
const passedOn = ["SystemRoot", "SystemDrive", "windir", "TEMP", "TMP"] as const;

export type LinkProcess = {
  readonly pid: number | null;
  send(message: ToLink): void;
  /** While held, the process keeps this one's event loop alive. */
  hold(held: boolean): void;
  readonly gone: Promise<string>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
};

/** Starts the process with no environment of ours, without our streams, and hears it until it is gone. */
export function spawnLink(path: string, onMessage: (message: FromLink) => void): LinkProcess {
  const environment: Record<string, string> = { DISABLE_GLOBAL_CORE: "true" };
  for (const name of passedOn) if (env[name] !== undefined) environment[name] = env[name];
  const child = fork(path, [], {
    env: environment,
    execArgv: [
      ...execArgv.filter((flag) => kept.some((pattern) => pattern.test(flag))),
      ...confined,
      ...readableFor(path).map((place) => `--allow-fs-read=${place}`),
    ],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
    windowsHide: true,
  });
  let lastOutput = "";
  let dead = false;
  const { promise: gone, resolve } = Promise.withResolvers<string>();
  const died = (how: string): void => {
    dead = true;
    const words = lastOutput.trim();
    resolve(words === "" ? how : `${how}: ${words.split("\n").find((line) => /Error/.test(line)) ?? words}`);
  };
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (chunk: string) => (lastOutput = (lastOutput + chunk).slice(-lastCharacters)));
  child.on("exit", (code, signal) => setImmediate(died, signal ?? `exit code ${code}`));
  child.on("error", (error) => {
    child.kill("SIGKILL");
    if (child.pid === undefined) died(error.message);
  });
  child.on("message", (raw) => {
    const parsed = fromLinkSchema.safeParse(raw);
    if (parsed.success) return onMessage(parsed.data);
    lastOutput = `Error: a message that follows no schema: ${parsed.error.issues[0]?.message ?? ""}`;
    child.kill("SIGKILL");
  });
  const handles = () => [
    child,
    child.channel,
    child.stderr as unknown as { ref?(): void; unref?(): void } | null,
  ];
  return {
    pid: child.pid ?? null,
    gone,
    send(message) {
      if (child.connected) child.send(message, () => {});
    },
    hold(held) {
      for (const handle of handles())
        if (held) handle?.ref?.();
        else handle?.unref?.();
    },
    async kill() {
      if (dead) return;
      child.ref();
      child.kill("SIGKILL");
      await gone;
    },
  };
}
