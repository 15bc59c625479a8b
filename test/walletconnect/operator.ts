// What an operator has on disk, and commands as he runs them.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import type { Config } from "../../src/runtime/config.ts";
import { configure } from "../integration/configure.ts";
import { relayOf, scene, served } from "./delegateScene.ts";
import { until } from "./until.ts";

const root = path.join(import.meta.dirname, "../..");
export type Event = { readonly kind: string; readonly what?: string; readonly uri?: string };
type Scene = Awaited<ReturnType<typeof scene>>;
export type Desk = Pick<Scene, "anna" | "state" | "wallet" | "world">;

/** An agent's files, and Anna with her wallet. */
export async function desk(name: string): Promise<Scene> {
  const here = await scene(name);
  await putFiles(here, relayOf());
  return here;
}

/** Writes the agent's files in a scene. */
export async function putFiles<S extends Scene>(here: S, wallets: Config["wallets"]): Promise<S> {
  here.journal.close();
  await configure(here.world, served.url, here.state, { config: wallets ? { wallets } : {} });
  writeFileSync(
    path.join(here.state, "agent.ts"),
    `import { treasurer } from ${JSON.stringify(path.join(root, "src/agents/treasurer.ts"))};
export default treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });
`,
  );
  return here;
}

/** A command that ends by itself. */
export async function command(
  here: Desk,
  ...words: readonly string[]
): Promise<{ readonly status: number | null; readonly output: string; readonly errors: string }> {
  const child = bursar(here, words);
  let [output, errors] = ["", ""];
  child.stdout!.on("data", (text: Buffer) => (output += text.toString()));
  child.stderr!.on("data", (text: Buffer) => (errors += text.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, output, errors };
}

function bursar({ state }: Desk, words: readonly string[]): ChildProcess {
  const main = path.join(root, "src/cli/main.ts");
  return spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--conditions=source", main].concat(words),
    { cwd: state, stdio: ["ignore", "pipe", "pipe"] },
  );
}

/** Delegates, until it is done or killed. */
export async function delegate(
  here: Desk,
  options: { readonly killAt?: (event: Event) => boolean; readonly onEvent?: (event: Event) => void } = {},
): Promise<{ readonly events: readonly Event[]; readonly status: number | null; readonly errors: string }> {
  const { anna, wallet } = here;
  const child = bursar(here, [
    "delegate",
    "agent.ts",
    "--account",
    anna.address,
    "--total",
    "60.00 USDC",
    "--yes",
    "--json",
  ]);
  const events: Event[] = [];
  let errors = "";
  child.stderr!.on("data", (text: Buffer) => (errors += text.toString()));
  createInterface(child.stdout!).on("line", (line) => {
    const event = JSON.parse(line) as Event;
    events.push(event);
    if (event.uri !== undefined) wallet.do({ do: "pair", uri: event.uri }).catch(() => undefined);
    options.onEvent?.(event);
    if (options.killAt?.(event)) child.kill("SIGKILL");
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { events, status, errors };
}

/** Runs the agent until it is stopped. */
export async function runAgent(here: Desk) {
  const child = bursar(here, ["run", "agent.ts", "--json"]);
  const reports: { readonly outcome?: string }[] = [];
  let errors = "";
  child.stderr!.on("data", (text: Buffer) => (errors += text.toString()));
  createInterface(child.stdout!).on("line", (line) => reports.push(JSON.parse(line) as { outcome?: string }));
  const closed = once(child, "close") as Promise<[number | null]>;
  await until(() => {
    if (child.exitCode !== null) throw new Error(`The agent ended: ${errors}`);
    return errors.includes("ready:");
  }, "the agent is ready");
  return {
    reports,
    async stop() {
      child.kill("SIGTERM");
      const [status] = await closed;
      return { status, errors };
    },
  };
}
