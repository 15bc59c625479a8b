import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";

import { concatHex, type Hex } from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";

import { create2Deployer } from "../chain/deploy.ts";
import { BaseError } from "../core/errors.ts";

/** The recorded blocks of a local chain do not replay. */
export class LocalChainStateError extends BaseError {
  override readonly name = "LocalChainStateError";
  constructor(file: string, why: string) {
    super(`The local chain's recorded blocks can't be replayed: ${why}.`, {
      remedy: "Remove the state folder to start afresh; a local chain holds no real money.",
      facts: { file },
    });
  }
}

/** Local chains need Hardhat, which is not installed with Bursar. */
export class MissingHardhatError extends BaseError {
  override readonly name = "MissingHardhatError";
  constructor(cause: unknown) {
    super("A local chain needs Hardhat, which is not installed.", {
      remedy: "Install it beside Bursar: npm install --save-dev hardhat@3.17.0",
      cause,
    });
  }
}

/** Chain id of local chains, everywhere. */
export const localChainId = 31337;

/** The first key of Hardhat's public test mnemonic: rich on a local chain, worthless anywhere else. */
export const localFaucet: PrivateKeyAccount = privateKeyToAccount(
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
);

/** Arachnid's deployment proxy, and the salt with which EntryPoint 0.8 comes to its canonical address. */
export const create2DeployerCode: Hex =
  "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3";
const entryPointSalt: Hex = "0x0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9";

export type LocalChain = {
  /**
   * One JSON-RPC request. Transactions are mined at once, one a block. `bursar_reorganise [n]` takes back the next n blocks as
   * soon as the last of them is there, transactions and all, before anything else happens; not for chains that are recorded.
   */
  request(input: { readonly method: string; readonly params?: unknown }): Promise<unknown>;
  close(): Promise<void>;
};

export type LocalChainOptions = {
  /** Blocks are recorded here and replayed at the next start, so that a killed chain comes back as it was. */
  readonly stateFile?: string;
  /** Makes an empty block when none came for this long, so that time passes. 0: only transactions make blocks. */
  readonly blockTimeMs?: number;
};

type Provider = { request(input: { method: string; params?: unknown[] }): Promise<unknown> };
type RecordedBlock = { readonly timestamp: number; readonly raw?: Hex };

/**
 * A real EVM (EDR) in this process with the real EntryPoint 0.8 at its canonical address. Every block is recorded
 * before its transaction is acknowledged, with its timestamp, so that a replay gives the same chain, hash for hash.
 */
export async function startLocalChain(options: LocalChainOptions = {}): Promise<LocalChain> {
  const recorded = options.stateFile ? readBlocks(options.stateFile) : [];
  const genesis = recorded[0]?.timestamp ?? Math.floor(Date.now() / 1000);
  const provider = await connect(genesis);
  const log = options.stateFile
    ? openLog(options.stateFile, recorded.length === 0 ? genesis : undefined)
    : undefined;
  let last = genesis;

  /** A reorganisation under way: what it goes back to, and how many blocks it still waits for. */
  let pending: { readonly snapshot: unknown; left: number } | undefined;
  async function reorganise(blocks: number): Promise<boolean> {
    if (options.stateFile || pending || !Number.isInteger(blocks) || blocks < 1) return false;
    pending = { snapshot: await provider.request({ method: "evm_snapshot" }), left: blocks };
    return true;
  }

  /** Mines one block at the given time; a transaction that reverts is mined as well, one that is invalid is not. */
  async function mine(timestamp: number, raw?: Hex): Promise<unknown> {
    await provider.request({ method: "evm_setNextBlockTimestamp", params: [timestamp] });
    const result = raw
      ? await provider.request({ method: "eth_sendRawTransaction", params: [raw] })
      : await provider.request({ method: "evm_mine" });
    last = timestamp;
    return result;
  }

  await provider.request({ method: "hardhat_setCode", params: [create2Deployer, create2DeployerCode] });
  await mine(++last, await deployEntryPoint());
  for (const block of recorded.slice(1)) {
    try {
      await mine(block.timestamp, block.raw);
    } catch (error) {
      throw new LocalChainStateError(
        options.stateFile!,
        error instanceof Error ? error.message : String(error),
      );
    }
  }

  // One request that changes the chain after the other: a block's timestamp and its transaction belong together.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  };
  const nextTimestamp = () => Math.max(last + 1, Math.floor(Date.now() / 1000));
  const mineAndRecord = async (raw?: Hex): Promise<unknown> => {
    const timestamp = nextTimestamp();
    const result = await mine(timestamp, raw);
    log?.append(raw ? { timestamp, raw } : { timestamp });
    if (pending && --pending.left === 0) {
      await provider.request({ method: "evm_revert", params: [pending.snapshot] });
      pending = undefined;
    }
    return result;
  };
  const timer = options.blockTimeMs
    ? setInterval(() => {
        if (Math.floor(Date.now() / 1000) - last >= options.blockTimeMs! / 1000)
          void inTurn(() => mineAndRecord());
      }, options.blockTimeMs)
    : undefined;

  return {
    request({ method, params }) {
      if (method === "eth_sendRawTransaction") return inTurn(() => mineAndRecord((params as [Hex])[0]));
      if (method === "evm_mine") return inTurn(() => mineAndRecord());
      if (method === "bursar_reorganise") return inTurn(() => reorganise(Number((params as [unknown])[0])));
      return provider.request(params === undefined ? { method } : { method, params: params as unknown[] });
    },
    async close() {
      clearInterval(timer);
      await turn;
      log?.close();
    },
  };
}

/** Hardhat carries the EVM. An installed package does without it until somebody wants a local chain. */
async function loadHardhat() {
  try {
    return await import("hardhat/hre");
  } catch (error) {
    throw new MissingHardhatError(error);
  }
}

async function connect(genesis: number): Promise<Provider> {
  const { createHardhatRuntimeEnvironment } = await loadHardhat();
  const environment = await createHardhatRuntimeEnvironment({
    networks: {
      local: {
        type: "edr-simulated",
        chainType: "l1",
        chainId: localChainId,
        initialDate: new Date(genesis * 1000),
        mining: { auto: true },
        // A reverted transaction is a fact on a chain, not an error of the node.
        throwOnTransactionFailures: false,
        throwOnCallFailures: true,
      },
    },
  });
  const connection = await environment.network.connect({ network: "local" });
  return connection.provider;
}

/** Raw transaction that puts EntryPoint 0.8 at its canonical address, from the npm package's own artifact. */
export async function deployEntryPoint(): Promise<Hex> {
  const artifact = createRequire(import.meta.url)(
    "@account-abstraction/contracts/artifacts/EntryPoint.json",
  ) as { bytecode: Hex };
  return localFaucet.signTransaction({
    type: "eip1559",
    chainId: localChainId,
    nonce: 0,
    gas: 12_000_000n,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
    to: create2Deployer,
    data: concatHex([entryPointSalt, artifact.bytecode]),
  });
}

function readBlocks(file: string): readonly RecordedBlock[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  // A kill in the middle of a write leaves half a line at the end: that block was never acknowledged.
  lines.pop();
  try {
    return lines.map((line) => JSON.parse(line) as RecordedBlock);
  } catch {
    throw new LocalChainStateError(file, "a line is not a block");
  }
}

function openLog(file: string, genesis: number | undefined) {
  mkdirSync(dirname(file), { recursive: true });
  if (genesis === undefined) truncateHalfLine(file);
  const handle = openSync(file, "a", 0o600);
  const append = (block: RecordedBlock) => {
    writeSync(handle, `${JSON.stringify(block)}\n`);
    fsyncSync(handle);
  };
  if (genesis !== undefined) append({ timestamp: genesis });
  return { append, close: () => closeSync(handle) };
}

function truncateHalfLine(file: string): void {
  const text = readFileSync(file, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole === text) return;
  const handle = openSync(file, "w", 0o600);
  writeSync(handle, whole);
  fsyncSync(handle);
  closeSync(handle);
}
