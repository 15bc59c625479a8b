import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { create2Deployer } from "../../src/chain/deploy.ts";
import { entryPointAddress } from "../../src/chain/entryPoint.ts";
import { create2DeployerCode, deployEntryPoint } from "../../src/testing/localChain.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export type Program = {
  readonly url: string;
  stop(): Promise<void>;
};

/** Keys 1 and 2 of Hardhat's public test mnemonic: alto's executor and its purse. */
const altoKeys = [
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
] as const;

/** `hardhat node` with the CREATE2 deployer and the EntryPoint at their canonical addresses. */
export async function startHardhatNode(): Promise<Program> {
  const port = await freePort();
  const cli = join(
    dirname(createRequire(import.meta.url).resolve("hardhat/package.json")),
    "dist/src/cli.js",
  );
  const node = await start(
    `http://127.0.0.1:${port}`,
    [cli, "--config", here("./hardhat.config.ts"), "node", "--hostname", "127.0.0.1", "--port", String(port)],
    here("../.."),
  );
  await rpc(node.url, "hardhat_setCode", [create2Deployer, create2DeployerCode]);
  await rpc(node.url, "eth_sendRawTransaction", [await deployEntryPoint()]);
  return node;
}

/** alto without ERC-7562 tracing, which it can do on no node that is to be had here (research/chain-stack.md §3). */
export async function startAlto(chain: string): Promise<Program> {
  const program = await installAlto();
  const port = await freePort();
  const options = {
    entrypoints: entryPointAddress,
    "executor-private-keys": altoKeys[0],
    "utility-private-key": altoKeys[1],
    "rpc-url": chain,
    port: String(port),
    "safe-mode": "false",
    "min-bundle-interval": "50",
    "block-time": "100",
    "log-level": "error",
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return start(`http://127.0.0.1:${port}`, [program, ...args], here("./alto"));
}

async function installAlto(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [here("./installAlto.mjs")], (error, stdout) =>
      error ? reject(new Error("alto could not be installed; see above.")) : resolve(stdout),
    );
    child.stderr?.pipe(process.stderr);
  });
}

/** Starts a program that serves JSON-RPC, and waits until it answers. */
async function start(url: string, args: readonly string[], cwd: string): Promise<Program> {
  const child = spawn(process.execPath, ["--import", here("./leash.mjs"), ...args], {
    cwd,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, HARDHAT_DISABLE_TELEMETRY: "true", NODE_OPTIONS: "" },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  const ended = once(child, "exit");
  while ((await rpc(url, "eth_chainId", []).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) throw new Error(`${args.join(" ")} ended:\n${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

async function rpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { error, result } = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
