// The process that the SDK runs in: what it reaches, what it is given, and how it ends.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { readableFor } from "../../src/delegation/readable.ts";
import { grant } from "./documents.ts";
import { eventually, openWorld, type World } from "./world.ts";
import { pause, until } from "./until.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const program = (name: string, ...words: readonly string[]) => {
  const file = path.join(import.meta.dirname, "programs", name);
  const child = spawn(process.execPath, ["--conditions=source", file, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { child, ended: once(child, "exit").then(([code]) => code as number | null), said: () => output };
};
const isAlive = (pid: number): boolean => {
  try {
    // A killed process that nobody has waited for is a zombie and no longer alive.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** Remote ports of the TCP connections of a process. */
function remotePorts(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => inodes.has(columns[9] ?? ""))
      .map((columns) => Number.parseInt((columns[2] ?? "").split(":")[1] ?? "", 16)),
  );
}

test("nothing but the relay can be reached from it", async () => {
  const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const { ended, said } = program("reachOut.ts", world.relay.url, String(port));
  expect(await ended).toBe(0);
  server.close();
  const { breaches, results } = JSON.parse(said()) as { breaches: number; results: Record<string, string> };
  expect(results).toEqual({
    fetch: "refused",
    http: "refused",
    net: "refused",
    netByName: "refused",
    pipe: "refused",
    tls: "refused",
    datagram: "refused",
    webSocket: "refused",
    relay: "let out",
  });
  expect(breaches).toBe(8);
});

describe.runIf(process.platform === "linux")("on Linux, where one can look", () => {
  test("its only connection is the relay's, its environment is empty, and it does not write", async () => {
    process.env["BURSAR_TEST_SECRET"] = "must not travel";
    const link = await world.link();
    const wallet = await world.wallet();
    const session = await world.pair(link, wallet);
    await link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
    const { pid } = link;
    expect(remotePorts(pid!)).toEqual([Number(new URL(world.relay.url).port)]);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
    const given = ["DISABLE_GLOBAL_CORE", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"];
    expect(new Set(environment.map((line) => line.split("=")[0]))).toEqual(new Set(given));
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    expect(command).toContain("--permission");
    const allowed = command.filter((word) => word.startsWith("--allow"));
    expect(
      allowed.every((word) => /^--allow-fs-read=.*\/(src\/\*|node_modules\/\*|package\.json)$/.test(word)),
    ).toBe(true);
    expect(allowed.length).toBeGreaterThan(2);
    expect(link.events.filter(({ kind }) => kind === "breach")).toEqual([]);
    delete process.env["BURSAR_TEST_SECRET"];
  });

  test("it does not outlive its parent", async () => {
    const { child, ended, said } = program("holdLink.ts", world.relay.url);
    await until(() => said().includes("\n"), "the program has a link", 40_000);
    const { pid } = JSON.parse(said()) as { pid: number };
    expect(isAlive(pid)).toBe(true);
    child.kill("SIGKILL");
    await ended;
    await until(() => !isAlive(pid), "the process is gone", 5000);
  });
});

test("a program that closes its link ends by itself, within a second", async () => {
  const { child, ended, said } = program("holdLink.ts", world.relay.url, "close");
  await until(() => said().includes("\n"), "the program has a link", 40_000);
  const begun = performance.now();
  const code = await Promise.race([ended, pause(5000).then(() => "still there")]);
  if (code === "still there") child.kill("SIGKILL");
  expect(code).toBe(0);
  expect(performance.now() - begun).toBeLessThan(1500);
  expect(said().trim().split("\n").at(-1)).toBe('{"outcome":"lost","why":"the link was closed"}');
});

test("a relay that turns it away with 3000 is told of; the process starts again and finds everything", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  const before = link.pid;
  const refusing = world.relay.inject({ on: "connection", do: "refuse" });
  world.relay.disconnect(3000, "Project not found");
  await until(
    () => link.events.find((event) => event.kind === "relay" && event.state === "refused"),
    "refused",
  );
  await eventually(link, "crashed");
  refusing.lift();
  // The wallet's own SDK does not come back from this by itself.
  await wallet.kill();
  await world.wallet();
  const answer = await link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
  expect(answer.outcome).toBe("approved");
  expect(link.pid).not.toBe(before);
});

test("killed, it is replaced, and the session stands", async () => {
  const link = await world.link();
  const wallet = await world.wallet();
  const session = await world.pair(link, wallet);
  process.kill(link.pid!, "SIGKILL");
  expect(await eventually(link, "crashed")).toEqual({ kind: "crashed", how: "SIGKILL", restartMs: 100 });
  const answer = await link.requestTypedData(session.topic, wallet.address, grant("1"), { id: "one" });
  expect(answer.outcome).toBe("approved");
});

test("it may read its own code and packages, and neither keystores nor journals", async () => {
  const worker = path.join(import.meta.dirname, "../../src/delegation/linkWorker.ts");
  const flags = readableFor(worker).map((place) => `--allow-fs-read=${place}`);
  const reads = (file: string) =>
    new Promise<boolean>((resolve) =>
      execFile(
        process.execPath,
        ["--permission", ...flags, "-p", `fs.readFileSync(${JSON.stringify(file)}).length > 0`],
        (error) => resolve(error === null),
      ),
    );
  const keystore = path.join(world.folder, "agent.keystore.json");
  writeFileSync(keystore, "{}");
  expect(await reads(worker)).toBe(true);
  expect(await reads(path.join(import.meta.dirname, "../../node_modules/viem/package.json"))).toBe(true);
  expect(await reads(keystore)).toBe(false);
  expect(await reads(path.join(world.folder, "journal.db"))).toBe(false);
  expect(await reads(import.meta.filename)).toBe(false);
});
