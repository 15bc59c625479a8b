// What `bursar doctor` says of the relay to wallets.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";
import { WebSocketServer } from "ws";

import { checkRelay } from "../../src/runtime/doctor/wallets.ts";
import { startRelay } from "../../src/testing/index.ts";

const wallets = { name: "Bursar", description: "", url: "http://localhost" };

test("a relay that lets us in, one that does not, one that is silent, and none", async () => {
  const relay = await startRelay();
  const { host } = new URL(relay.url);
  try {
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: true,
      detail: `The relay ${host} lets us in.`,
    });
    const refusing = relay.inject({ on: "connection", do: "refuse" });
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: false,
      detail: expect.stringContaining("does not let us in") as string,
      remedy: "Correct `wallets.projectId`.",
    });
    refusing.lift();
    const hole = relay.inject({ on: "call", do: "blackHole" });
    expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
      ok: false,
      detail: `The relay ${host} does not answer.`,
    });
    hole.lift();
  } finally {
    await relay.close();
  }
  expect(await checkRelay({ ...wallets, relay: relay.url })).toMatchObject({
    ok: false,
    detail: `The relay ${host} does not answer.`,
  });
});

test("what a relay says does not move the cursor", async () => {
  const relay = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(relay, "listening");
  relay.on("connection", (socket) => socket.close(3000, "x\u001b[2J\u001b[HAll is well.\u001b[8m"));
  const { port } = relay.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), "bursar-doctor-"));
  const nowhere = "http://127.0.0.1:9";
  writeFileSync(
    join(folder, "bursar.json"),
    JSON.stringify({
      chain: { rpc: nowhere, chainId: 31_337, finality: { depth: 0 } },
      account: `0x${"11".repeat(20)}`,
      policy: "policy.yaml",
      keystore: "agent.json",
      bundler: { kind: "rpc", url: nowhere },
      model: { file: "model.gguf", sha256: `0x${"00".repeat(32)}` },
      state: ".",
      wallets: { relay: `ws://127.0.0.1:${port}` },
    }),
  );
  try {
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const flags = ["--disable-warning=ExperimentalWarning", "--conditions=source"];
    const said = await new Promise<string>((resolve) => {
      execFile(process.execPath, [...flags, main, "doctor"], { cwd: folder }, (_, stdout) => resolve(stdout));
    });
    expect(said).toContain("All is well.");
    expect(said).not.toContain("\u001b");
  } finally {
    relay.close();
    rmSync(folder, { recursive: true });
  }
});
